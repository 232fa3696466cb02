-- What happened, whom it is told, and every try at telling.

-- A snapshot as it was at the time: `data` is json, not jsonb, so that its fields keep their order for ever.
-- No foreign key to accounts: each insert would lock the account's one row. Keys hold the account first, so that
-- one index serves both the page of an account and the single event.
CREATE TABLE events (
    id              text COLLATE "C" NOT NULL,
    account_id      text COLLATE "C" NOT NULL,
    type            text COLLATE "C" NOT NULL,
    api_version     text NOT NULL,
    data            json NOT NULL,
    request_id      text,
    idempotency_key text,
    traceparent     text,
    created_at      timestamptz NOT NULL,
    -- Set by the worker with the rows of webhook_deliveries; `webhooks` tells how many there were.
    fanned_out_at   timestamptz,
    webhooks        integer NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, id)
);

CREATE INDEX events_type_page ON events (account_id, type, id DESC);
CREATE INDEX events_to_fan_out ON events (id) WHERE fanned_out_at IS NULL;
-- Rows arrive in order of time: a block range index costs next to nothing and serves the reaper.
CREATE INDEX events_created_at ON events USING brin (created_at) WITH (pages_per_range = 32);

CREATE TABLE webhook_endpoints (
    id             text COLLATE "C" PRIMARY KEY,
    account_id     text COLLATE "C" NOT NULL,
    url            text NOT NULL CHECK (length(url) <= 2048),
    enabled_events text[] NOT NULL CHECK (cardinality(enabled_events) > 0),
    description    text,
    metadata       json NOT NULL DEFAULT '{}',
    api_version    text,
    status         text NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'disabled')),
    secret         text NOT NULL,
    -- The one before, which still signs beside the new one until it expires.
    old_secret       text,
    old_secret_until timestamptz,
    created_at     timestamptz NOT NULL,
    -- The row outlives its deletion until its deliveries are gone; it is shown to nobody.
    deleted_at     timestamptz,
    CHECK ((old_secret IS NULL) = (old_secret_until IS NULL))
);

CREATE INDEX webhook_endpoints_account_page ON webhook_endpoints (account_id, id DESC) WHERE deleted_at IS NULL;

-- One row an event and endpoint, whatever crashes. A claim pushes `next_attempt_at` behind its lease and takes the
-- next number of `attempts`: an attempt that lost its lease finds another number and may not reschedule.
CREATE TABLE webhook_deliveries (
    endpoint_id     text COLLATE "C" NOT NULL REFERENCES webhook_endpoints (id),
    event_id        text COLLATE "C" NOT NULL,
    account_id      text COLLATE "C" NOT NULL,
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed', 'dropped')),
    attempts        integer NOT NULL DEFAULT 0,
    -- Tries since the schedule began: a resend begins it anew.
    tries           integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    give_up_at      timestamptz NOT NULL,
    created_at      timestamptz NOT NULL,
    finished_at     timestamptz,
    PRIMARY KEY (endpoint_id, event_id),
    FOREIGN KEY (account_id, event_id) REFERENCES events (account_id, id) ON DELETE CASCADE,
    CHECK ((state = 'pending') = (finished_at IS NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX webhook_deliveries_event ON webhook_deliveries (account_id, event_id);
-- An endpoint's backlog stands together, so that a claim skips from one endpoint to the next.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_attempt_at) WHERE state = 'pending';

CREATE TABLE webhook_attempts (
    endpoint_id text COLLATE "C" NOT NULL,
    event_id    text COLLATE "C" NOT NULL,
    number      integer NOT NULL CHECK (number > 0),
    started_at  timestamptz NOT NULL,
    duration_ms integer NOT NULL CHECK (duration_ms >= 0),
    status      smallint,
    error       text,
    response    text,
    PRIMARY KEY (endpoint_id, event_id, number),
    FOREIGN KEY (endpoint_id, event_id) REFERENCES webhook_deliveries (endpoint_id, event_id) ON DELETE CASCADE,
    CHECK (status IS NOT NULL OR error IS NOT NULL)
);
