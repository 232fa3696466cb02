-- Which metrics a tenant has summed up, and whose turn it is to do so.

CREATE TABLE rollups (
    tenant_id    text NOT NULL REFERENCES tenants (id),
    metric       text COLLATE "C" NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- The end of the last evaluation of the whole late window; a new declaration begins with one.
    rechecked_at timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (tenant_id, metric)
);

-- One row: rollups are evaluated by one writer at a time, the others stand by.
CREATE TABLE rollup_lease (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    owner      text COLLATE "C",
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
);

INSERT INTO rollup_lease DEFAULT VALUES;
