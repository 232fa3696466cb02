-- The book: every charge the processor was asked for, and every refund. Rows are never deleted.

CREATE TABLE charges (
    -- Ids sort by time: the book is read in their order.
    id              text COLLATE "C" PRIMARY KEY,
    idempotency_key text COLLATE "C" NOT NULL UNIQUE,
    amount          bigint NOT NULL CHECK (amount > 0),
    captured        bigint NOT NULL DEFAULT 0,
    refunded        bigint NOT NULL DEFAULT 0,
    currency        text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    status          text NOT NULL CHECK (status IN ('authorised', 'captured', 'voided', 'declined')),
    decline_code    text,
    card            text NOT NULL,
    reference       text,
    created_at      timestamptz NOT NULL,
    CONSTRAINT charges_never_capture_more CHECK (captured BETWEEN 0 AND amount),
    CONSTRAINT charges_never_refund_more CHECK (refunded BETWEEN 0 AND captured),
    CONSTRAINT charges_state_and_sums CHECK ((status = 'captured') = (captured > 0)),
    CONSTRAINT charges_decline_has_code CHECK ((status = 'declined') = (decline_code IS NOT NULL))
);

CREATE TABLE refunds (
    id              text COLLATE "C" PRIMARY KEY,
    charge_id       text COLLATE "C" NOT NULL REFERENCES charges (id),
    idempotency_key text COLLATE "C" NOT NULL UNIQUE,
    amount          bigint NOT NULL CHECK (amount > 0),
    status          text NOT NULL CHECK (status IN ('succeeded', 'failed')),
    failure_reason  text,
    reference       text,
    created_at      timestamptz NOT NULL,
    CONSTRAINT refunds_failure_has_reason CHECK ((status = 'failed') = (failure_reason IS NOT NULL))
);

CREATE INDEX refunds_charge ON refunds (charge_id);
