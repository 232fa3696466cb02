-- A notice for each event and channel: what became of it.

-- The key is the inbox: an event that comes again, however it does, finds its row and is not sent again. The row is
-- there before the attempt: `attempts` is the number that the attempt in hand holds, and only its holder may record
-- an outcome; `leased_until` is when somebody else may take over.
CREATE TABLE deliveries (
    event_id     text COLLATE "C" NOT NULL,
    channel      text NOT NULL CHECK (channel IN ('mail', 'webhook')),
    order_id     text COLLATE "C" NOT NULL,
    tenant_id    text COLLATE "C" NOT NULL,
    state        text NOT NULL CHECK (state IN ('sending', 'sent', 'skipped', 'failed')),
    attempts     integer NOT NULL DEFAULT 1 CHECK (attempts >= 0),
    -- Of the message that was refused: a refusal stands until somebody redrives it.
    redrives     integer NOT NULL DEFAULT 0 CHECK (redrives >= 0),
    leased_until timestamptz NOT NULL DEFAULT clock_timestamp(),
    target       text,
    -- Made once, whatever becomes of the mail that carries it.
    short_url    text,
    error        text,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at      timestamptz,
    PRIMARY KEY (event_id, channel),
    CHECK ((state = 'sent') = (sent_at IS NOT NULL))
) WITH (fillfactor = 80);

-- "What did we tell about this order?"
CREATE INDEX deliveries_order ON deliveries (order_id);
-- Rows arrive in order of time: a block range index costs next to nothing and serves the reaper.
CREATE INDEX deliveries_created_at ON deliveries USING brin (created_at) WITH (pages_per_range = 32);
