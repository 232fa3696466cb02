-- Links and what belongs to them: tenants, keys, quotas, abuse reports.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE tenants (
    id              text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,40}$'),
    name            text NOT NULL,
    rate_per_s      double precision NOT NULL CHECK (rate_per_s > 0),
    burst           integer NOT NULL CHECK (burst > 0),
    links_per_month integer NOT NULL CHECK (links_per_month >= 0),
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    key_sha256 bytea PRIMARY KEY CHECK (octet_length(key_sha256) = 32),
    tenant_id  text NOT NULL REFERENCES tenants (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

-- One value is a block of INCREMENT counters, leased to one process (ADR-0014). The increment is the one truth
-- about the block size: a process reads it with the value. Only ever raise it, or blocks overlap.
-- The maximum leaves out the last, partial block of the 62^7 codes.
CREATE SEQUENCE link_codes AS bigint INCREMENT BY 1000 MINVALUE 0 MAXVALUE 3521614605999 START WITH 0 NO CYCLE;

-- Orders what caches hold: every change of a link takes a new value, across all links.
CREATE SEQUENCE link_revisions AS bigint;

CREATE TABLE links (
    id           uuid PRIMARY KEY,
    tenant_id    text NOT NULL REFERENCES tenants (id),
    -- A deleted link keeps its slug, so that only its own tenant may take it again; that moves the old row's slug
    -- out of the way to '~' || id, which no request can spell.
    slug         text COLLATE "C" NOT NULL,
    -- What a non-ASCII slug looks like (UTS 39); null for ASCII slugs, which never conflict by looks.
    skeleton     text COLLATE "C",
    url          text NOT NULL CHECK (length(url) <= 2048),
    status       smallint NOT NULL DEFAULT 302 CHECK (status IN (301, 302, 307, 308)),
    since        timestamptz,
    until        timestamptz CHECK (until > since),
    max_visits   integer CHECK (max_visits >= 1),
    visits_used  integer NOT NULL DEFAULT 0 CHECK (visits_used >= 0),
    tags         text[] NOT NULL DEFAULT '{}' CHECK (cardinality(tags) <= 20),
    rules        jsonb,
    utm          jsonb,
    title        text,
    state        text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled', 'taken_down')),
    state_reason text,
    version      integer NOT NULL DEFAULT 1,
    revision     bigint NOT NULL DEFAULT nextval('link_revisions'),
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    deleted_at   timestamptz
);

CREATE UNIQUE INDEX links_slug ON links (slug);
CREATE UNIQUE INDEX links_skeleton ON links (skeleton) WHERE skeleton IS NOT NULL;
-- Pages of a tenant's list, newest first: ids are time-ordered.
CREATE INDEX links_tenant_page ON links (tenant_id, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX links_tags ON links USING gin (tags) WHERE deleted_at IS NULL AND tags <> '{}';
CREATE INDEX links_search ON links USING gin ((slug || ' ' || url || ' ' || coalesce(title, '')) gin_trgm_ops)
    WHERE deleted_at IS NULL;

-- A month's count is spread over shards, each with its share of the limit: the sum is exact, and concurrent creates
-- of one tenant do not queue for one row until each other's commit.
CREATE TABLE quota_usage (
    tenant_id text NOT NULL REFERENCES tenants (id),
    month     date NOT NULL,
    shard     smallint NOT NULL,
    links     integer NOT NULL DEFAULT 0 CHECK (links >= 0),
    PRIMARY KEY (tenant_id, month, shard)
) WITH (fillfactor = 50);

CREATE TABLE abuse_reports (
    id          uuid PRIMARY KEY,
    link_id     uuid NOT NULL REFERENCES links (id),
    slug        text COLLATE "C" NOT NULL,
    reason      text NOT NULL CHECK (reason IN ('malware', 'phishing', 'spam', 'illegal', 'other')),
    comment     text,
    contact     text,
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'dismissed', 'upheld')),
    resolution  text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz
);

CREATE INDEX abuse_reports_state_page ON abuse_reports (state, id DESC);
CREATE INDEX abuse_reports_link ON abuse_reports (link_id);
