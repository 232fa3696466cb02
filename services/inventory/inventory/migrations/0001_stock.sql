-- What stands on the shelf, what of it is promised, and every movement that made it so (ADR-0011).

CREATE TABLE stock (
    tenant_id text COLLATE "C" NOT NULL,
    sku       text COLLATE "C" NOT NULL,
    -- On the shelf and unsold; `reserved` of it is promised to orders that are not paid yet.
    on_hand   bigint NOT NULL DEFAULT 0,
    reserved  bigint NOT NULL DEFAULT 0,
    sold      bigint NOT NULL DEFAULT 0,
    -- What came in: receipts, and the differences that a count of the shelf brought to light.
    received  bigint NOT NULL DEFAULT 0,
    adjusted  bigint NOT NULL DEFAULT 0,
    version   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, sku),
    -- The last line of defence: a mistake in the code is an error here, never an oversold shelf.
    CONSTRAINT stock_never_negative CHECK (on_hand >= 0 AND reserved >= 0 AND sold >= 0 AND received >= 0),
    CONSTRAINT stock_promises_what_it_has CHECK (reserved <= on_hand),
    CONSTRAINT stock_is_conserved CHECK (received + adjusted = on_hand + sold)
) WITH (
    -- A hot row is rewritten with every batch: room on its page keeps the new version off the index.
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

-- One row an order. Its state is the last event that was told of it, and `version` counts those events.
CREATE TABLE reservations (
    order_id    text COLLATE "C" PRIMARY KEY,
    tenant_id   text COLLATE "C" NOT NULL,
    state       text NOT NULL CHECK (state IN ('reserved', 'refused', 'confirmed', 'released', 'expired')),
    version     integer NOT NULL CHECK (version > 0),
    -- The command that the event answers; none when time ran out.
    request_id  text,
    reason      text CHECK (reason IN ('out_of_stock', 'expired', 'released')),
    -- The lines that the shelf could not serve: [{"sku", "requested", "available"}].
    short       jsonb NOT NULL DEFAULT '[]',
    -- None for an order that never held anything.
    expires_at  timestamptz,
    -- The order's trace, which its expiry belongs to as well.
    traceparent text,
    created_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    CONSTRAINT reservations_refusal_has_reason CHECK ((state = 'refused') = (reason IS NOT NULL)),
    CONSTRAINT reservations_hold_ends CHECK (state <> 'reserved' OR expires_at IS NOT NULL)
) WITH (fillfactor = 80);

CREATE INDEX reservations_due ON reservations (expires_at) WHERE state = 'reserved';

-- What an order was promised, one row a SKU; a refused order has none.
CREATE TABLE reservation_lines (
    order_id text COLLATE "C" NOT NULL REFERENCES reservations (order_id),
    sku      text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, sku)
);

-- Append-only. The sums of a SKU's movements are its row in `stock`: the reconcile compares them.
CREATE TABLE stock_movements (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text COLLATE "C" NOT NULL,
    sku       text COLLATE "C" NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('receipt', 'adjustment', 'sale', 'return')),
    quantity  bigint NOT NULL,
    order_id  text COLLATE "C",
    at        timestamptz NOT NULL,
    -- Only a count of the shelf may find less than there was.
    CONSTRAINT stock_movements_sign CHECK (quantity > 0 OR (kind = 'adjustment' AND quantity <> 0)),
    CONSTRAINT stock_movements_of_orders CHECK ((kind IN ('sale', 'return')) = (order_id IS NOT NULL)),
    -- An order buys a SKU once, and brings it back once.
    CONSTRAINT stock_movements_once UNIQUE (order_id, sku, kind)
);
