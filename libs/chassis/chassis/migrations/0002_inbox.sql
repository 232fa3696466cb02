-- Events already applied, by consumer: written in the transaction of the effect, so that a redelivery changes nothing.
CREATE TABLE inbox (
    consumer text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);

-- Rows arrive in order of time: a block range index costs a thousandth of a B-tree and serves the reaper as well.
CREATE INDEX inbox_seen_at ON inbox USING brin (seen_at) WITH (pages_per_range = 32);
