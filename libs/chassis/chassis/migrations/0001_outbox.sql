-- Events on their way to Kafka, written in the transaction of the change they tell of and deleted once acknowledged.
-- Keys, values and headers are kept as the bytes that will be sent: a dead letter passes through here unharmed.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- One of 16 for ever: relays divide shards among themselves, and a key must never have two of them.
    shard smallint NOT NULL GENERATED ALWAYS AS (
        (hashtextextended(encode(coalesce(key, ''::bytea), 'hex'), 0) & 15)::smallint
    ) STORED,
    topic text NOT NULL,
    key bytea,
    value bytea,
    header_names text[] NOT NULL DEFAULT '{}',
    header_values bytea[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (
    -- A queue dies as fast as it is born: vacuum by count of dead rows, never by share of the table.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 20000,
    autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX outbox_shard_id ON outbox (shard, id);

-- Which relay may send which shard; `token` grows with every change of owner and fences the one that lost it.
CREATE TABLE outbox_leases (
    shard smallint PRIMARY KEY,
    owner text,
    token bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);

INSERT INTO outbox_leases (shard) SELECT generate_series(0, 15);

-- The relays alive, so that each takes its fair share of the shards and no more.
CREATE TABLE outbox_relays (
    owner text PRIMARY KEY,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
