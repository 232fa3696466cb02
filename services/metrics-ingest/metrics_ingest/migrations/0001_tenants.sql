-- Who sends, by which keys, and how much of everything each may send (ADR-0018).

CREATE TABLE tenants (
    id                 text PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,40}$'),
    name               text NOT NULL,
    points_per_s       double precision NOT NULL DEFAULT 500000 CHECK (points_per_s > 0),
    active_series_max  integer NOT NULL DEFAULT 100000 CHECK (active_series_max >= 0),
    new_series_per_h   integer NOT NULL DEFAULT 10000 CHECK (new_series_per_h >= 0),
    late_window_s      integer NOT NULL DEFAULT 86400 CHECK (late_window_s >= 0),
    -- These stay below the store's own limits, which cut in silence what is above them.
    labels_max         integer NOT NULL DEFAULT 30 CHECK (labels_max BETWEEN 1 AND 60),
    name_bytes_max     integer NOT NULL DEFAULT 200 CHECK (name_bytes_max BETWEEN 1 AND 250),
    value_bytes_max    integer NOT NULL DEFAULT 2048 CHECK (value_bytes_max BETWEEN 1 AND 16000),
    body_bytes_max     integer NOT NULL DEFAULT 33554432 CHECK (body_bytes_max >= 1),
    unpacked_bytes_max integer NOT NULL DEFAULT 67108864 CHECK (unpacked_bytes_max >= 1),
    created_at         timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    key_sha256 bytea PRIMARY KEY CHECK (octet_length(key_sha256) = 32),
    tenant_id  text NOT NULL REFERENCES tenants (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
