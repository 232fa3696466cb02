-- What clicks add up to. Nobody is in here: a visitor is a hash that one day's salt made.

CREATE TABLE click_hours (
    link_id    uuid NOT NULL,
    hour       timestamptz NOT NULL,
    clicks     bigint NOT NULL DEFAULT 0,
    bot_clicks bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (link_id, hour)
);

CREATE TABLE click_dimensions (
    link_id   uuid NOT NULL,
    day       date NOT NULL,
    dimension text COLLATE "C" NOT NULL CHECK (dimension IN ('referrer', 'country', 'browser', 'device', 'rule')),
    value     text COLLATE "C" NOT NULL,
    clicks    bigint NOT NULL,
    PRIMARY KEY (link_id, day, dimension, value)
);

-- Only to tell the first visit of a day from the next: rows are dropped after a few days.
CREATE TABLE click_visitors (
    day     date NOT NULL,
    link_id uuid NOT NULL,
    visitor bytea NOT NULL,
    PRIMARY KEY (day, link_id, visitor)
);

CREATE TABLE click_days (
    link_id         uuid NOT NULL,
    day             date NOT NULL,
    unique_visitors bigint NOT NULL,
    PRIMARY KEY (link_id, day)
);

CREATE TABLE link_totals (
    link_id         uuid PRIMARY KEY,
    tenant_id       text NOT NULL,
    clicks          bigint NOT NULL DEFAULT 0,
    bot_clicks      bigint NOT NULL DEFAULT 0,
    unique_visitors bigint NOT NULL DEFAULT 0,
    last_click_at   timestamptz NOT NULL
);

CREATE INDEX link_totals_tenant ON link_totals (tenant_id, clicks DESC);

CREATE TABLE tenant_hours (
    tenant_id  text NOT NULL,
    hour       timestamptz NOT NULL,
    clicks     bigint NOT NULL DEFAULT 0,
    bot_clicks bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, hour)
);
