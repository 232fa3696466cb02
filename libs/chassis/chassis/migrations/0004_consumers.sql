-- Where each consumer group stands, advanced in the transaction of the effects: exact counts after any crash.
CREATE TABLE consumer_offsets (
    consumer_group text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    -- -1: nothing applied yet, the consumer's reset policy decides.
    next_offset bigint NOT NULL DEFAULT -1,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, topic, partition)
) WITH (fillfactor = 50);

-- Keys whose head failed for a passing reason: everything of the key waits here, in order, while other keys flow on.
CREATE TABLE parked_keys (
    consumer_group text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    key bytea NOT NULL,
    attempts integer NOT NULL,
    error text NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition, key)
);

CREATE TABLE parked_messages (
    consumer_group text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    message_offset bigint NOT NULL,
    -- The key that orders it; `message_key` is what the record carried, which may be null.
    key bytea NOT NULL,
    message_key bytea,
    value bytea,
    header_names text[] NOT NULL,
    header_values bytea[] NOT NULL,
    timestamp_ms bigint NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition, message_offset)
);

CREATE INDEX parked_messages_key ON parked_messages (consumer_group, topic, partition, key, message_offset);
