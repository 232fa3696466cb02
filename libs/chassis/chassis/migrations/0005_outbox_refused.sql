-- Events that the broker will never take (too large, not allowed): set aside, so that the rest of their shard flows on.
CREATE TABLE outbox_refused (
    id bigint PRIMARY KEY,
    topic text NOT NULL,
    key bytea,
    value bytea,
    header_names text[] NOT NULL,
    header_values bytea[] NOT NULL,
    created_at timestamptz NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT now(),
    error text NOT NULL
);
