-- Which series a tenant has, and how many more it may begin (ADR-0018).

CREATE TABLE series (
    tenant_id     text NOT NULL REFERENCES tenants (id),
    -- Of the sorted labels, 16 bytes of BLAKE2b: the labels themselves live in the store.
    series_hash   bytea NOT NULL CHECK (octet_length(series_hash) = 16),
    name          text NOT NULL,
    -- That of the tenant's budget when it was counted: what another process registered since is one range.
    revision      bigint NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, series_hash)
) WITH (fillfactor = 80);

CREATE INDEX series_tenant_revision ON series (tenant_id, revision, series_hash);

-- One row a tenant: its lock is what serialises every change of the tenant's series.
CREATE TABLE series_budgets (
    tenant_id    text PRIMARY KEY REFERENCES tenants (id),
    active       integer NOT NULL DEFAULT 0 CHECK (active >= 0),
    -- New series of the clock hour that began at `hour_at`.
    hour_at      timestamptz NOT NULL DEFAULT '-infinity',
    new_in_hour  integer NOT NULL DEFAULT 0 CHECK (new_in_hour >= 0),
    revision     bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
