-- One row an Idempotency-Key: who works on it, how far they came, and the answer that every repeat gets.
CREATE TABLE idempotency_keys (
    scope text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    state text NOT NULL DEFAULT 'started' CHECK (state IN ('started', 'finished')),
    locked_by text NOT NULL,
    -- Grows with every take-over; a stalled owner that wakes finds another number here and may write no more.
    fencing bigint NOT NULL DEFAULT 1,
    locked_until timestamptz NOT NULL,
    recovery_point text NOT NULL DEFAULT 'started',
    recovery_data jsonb,
    response_status smallint,
    response_headers jsonb,
    response_body bytea,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (scope, key),
    CHECK ((state = 'finished') = (response_status IS NOT NULL))
);

CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_abandoned ON idempotency_keys (locked_until) WHERE state = 'started';
