-- Tenants with their keys, the catalogue, orders with their lines and their timeline.

CREATE TABLE tenants (
    id         text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[a-z0-9-]{1,40}$'),
    name       text NOT NULL,
    -- Of its requests: `burst` at once, then `rate_per_s`.
    rate_per_s double precision NOT NULL CHECK (rate_per_s > 0),
    burst      integer NOT NULL CHECK (burst > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    key_sha256 bytea PRIMARY KEY CHECK (octet_length(key_sha256) = 32),
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE INDEX api_keys_tenant_id ON api_keys (tenant_id);

-- What is for sale and for how much. How much of it there is, inventory knows.
CREATE TABLE products (
    tenant_id     text COLLATE "C" NOT NULL REFERENCES tenants (id),
    sku           text COLLATE "C" NOT NULL CHECK (length(sku) BETWEEN 1 AND 64),
    name          text NOT NULL,
    unit_price    integer NOT NULL CHECK (unit_price > 0),
    currency      text COLLATE "C" NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    -- The version that inventory gave the stock when this row was written: of two writers at once the one that
    -- was last there is last here.
    stock_version bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, sku)
);

CREATE TABLE orders (
    id                  text COLLATE "C" PRIMARY KEY CHECK (id LIKE 'ord\_%'),
    -- No reference: all orders of a tenant that are placed at once would lock its one row. Its key was found there.
    tenant_id           text COLLATE "C" NOT NULL,
    customer_id         text NOT NULL,
    currency            text COLLATE "C" NOT NULL,
    payment_method      text NOT NULL,
    amount              bigint NOT NULL CHECK (amount > 0),
    -- What clients wait for: pending until it is one of the other three, for good.
    status              text COLLATE "C" NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'completed', 'rejected', 'cancelled')),
    -- The last row of the timeline.
    step                text COLLATE "C" NOT NULL,
    reason              text,
    notify              jsonb NOT NULL DEFAULT '{}',
    version             integer NOT NULL DEFAULT 1 CHECK (version > 0),
    cancel_requested_at timestamptz,
    -- The trace of the request that placed it: what happens later belongs to it.
    traceparent         text,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    finished_at         timestamptz,
    CHECK ((status = 'pending') = (finished_at IS NULL))
) WITH (fillfactor = 70);  -- an order is updated five times: room for that on its page, without touching an index

-- Pages of a tenant's list, newest first: ids are time-ordered.
CREATE INDEX orders_tenant_page ON orders (tenant_id, id DESC);
CREATE INDEX orders_tenant_status_page ON orders (tenant_id, status, id DESC);
CREATE INDEX orders_tenant_customer_page ON orders (tenant_id, customer_id, id DESC);

-- Name and price as they were when the order was placed.
CREATE TABLE order_lines (
    order_id   text COLLATE "C" NOT NULL REFERENCES orders (id),
    number     smallint NOT NULL CHECK (number > 0),
    sku        text COLLATE "C" NOT NULL,
    name       text NOT NULL,
    quantity   integer NOT NULL CHECK (quantity > 0),
    unit_price integer NOT NULL CHECK (unit_price > 0),
    PRIMARY KEY (order_id, number)
);

-- A row a version of the order, and an event a row: `event_id` is the ce_id under which it was told.
CREATE TABLE order_timeline (
    order_id text COLLATE "C" NOT NULL REFERENCES orders (id),
    version  integer NOT NULL CHECK (version > 0),
    status   text COLLATE "C" NOT NULL,
    event_id uuid NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (order_id, version)
);
