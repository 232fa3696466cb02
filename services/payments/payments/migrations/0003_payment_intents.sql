-- Payment intents, the charges that their attempts made, and every call to the bank that was ever begun.

CREATE TABLE payment_intents (
    id                   text COLLATE "C" PRIMARY KEY,
    account_id           text COLLATE "C" NOT NULL,
    status               text NOT NULL CHECK (status IN (
                             'requires_payment_method', 'requires_confirmation', 'requires_action', 'processing',
                             'requires_capture', 'succeeded', 'canceled')),
    amount               bigint NOT NULL CHECK (amount > 0),
    amount_capturable    bigint NOT NULL DEFAULT 0 CHECK (amount_capturable BETWEEN 0 AND amount),
    amount_received      bigint NOT NULL DEFAULT 0 CHECK (amount_received BETWEEN 0 AND amount),
    currency             text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    capture_method       text NOT NULL CHECK (capture_method IN ('automatic', 'automatic_async', 'manual')),
    confirmation_method  text NOT NULL CHECK (confirmation_method IN ('automatic', 'manual')),
    setup_future_usage   text,
    customer             text COLLATE "C",
    payment_method       text COLLATE "C",
    latest_charge        text COLLATE "C",
    client_secret        text NOT NULL,
    last_payment_error   json,
    next_action          json,
    cancellation_reason  text,
    canceled_at          timestamptz,
    -- The holder of the card proved to be the one, and the next attempt may say so.
    authenticated        boolean NOT NULL DEFAULT false,
    -- The secret in the address of the authentication page, while there is something to authenticate.
    authentication_token text COLLATE "C" UNIQUE,
    metadata             json NOT NULL,
    -- What the caller gave and only gets back: description, shipping, statement descriptors and the like.
    details              json NOT NULL,
    -- Grows with every change: consumers of the events tell old news by it.
    version              integer NOT NULL DEFAULT 1,
    created_at           timestamptz NOT NULL,
    CHECK ((status = 'canceled') = (canceled_at IS NOT NULL)),
    CHECK (amount_capturable = 0 OR status IN ('requires_capture', 'processing'))
) WITH (fillfactor = 80);

CREATE INDEX payment_intents_page ON payment_intents (account_id, id DESC);
CREATE INDEX payment_intents_customer ON payment_intents (account_id, customer, id DESC) WHERE customer IS NOT NULL;

CREATE TABLE charges (
    id                     text COLLATE "C" PRIMARY KEY,
    account_id             text COLLATE "C" NOT NULL,
    payment_intent         text COLLATE "C" NOT NULL REFERENCES payment_intents (id),
    bank_charge_id         text COLLATE "C" UNIQUE,
    status                 text NOT NULL CHECK (status IN ('succeeded', 'failed')),
    amount                 bigint NOT NULL CHECK (amount > 0),
    amount_captured        bigint NOT NULL DEFAULT 0 CHECK (amount_captured BETWEEN 0 AND amount),
    -- With what is pending, so that refunds can never add up to more than was captured.
    amount_refunded        bigint NOT NULL DEFAULT 0 CHECK (amount_refunded BETWEEN 0 AND amount_captured),
    currency               text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    captured               boolean NOT NULL,
    voided                 boolean NOT NULL DEFAULT false,
    customer               text COLLATE "C",
    payment_method         text COLLATE "C" NOT NULL,
    payment_method_details json NOT NULL,
    billing_details        json NOT NULL,
    outcome                json NOT NULL,
    failure_code           text,
    failure_message        text,
    balance_transaction    text COLLATE "C",
    metadata               json NOT NULL,
    details                json NOT NULL,
    created_at             timestamptz NOT NULL,
    CHECK ((status = 'failed') = (failure_code IS NOT NULL)),
    CHECK (status = 'succeeded' OR NOT captured),
    CHECK (NOT (captured AND voided))
) WITH (fillfactor = 80);

CREATE INDEX charges_page ON charges (account_id, id DESC);
CREATE INDEX charges_payment_intent ON charges (payment_intent, id DESC);
CREATE INDEX charges_customer ON charges (account_id, customer, id DESC) WHERE customer IS NOT NULL;

-- One row a call to the bank, written before the call is made: what a crash leaves behind can be finished.
CREATE TABLE bank_operations (
    id             text COLLATE "C" PRIMARY KEY,
    account_id     text COLLATE "C" NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('authorise', 'capture', 'void', 'refund')),
    intent_id      text COLLATE "C" NOT NULL REFERENCES payment_intents (id),
    refund_id      text COLLATE "C",
    bank_charge_id text COLLATE "C",
    -- The bank's idempotency key: every attempt of this operation sends it, so the bank acts once.
    bank_key       text COLLATE "C" NOT NULL UNIQUE,
    amount         bigint NOT NULL CHECK (amount >= 0),
    currency       text NOT NULL,
    -- What the kind needs to go on after a crash; never sent to a client.
    context        jsonb NOT NULL,
    -- 'calling': an owner is at it; 'unknown': asked, no answer; 'done': the bank's answer is known and applied.
    state          text NOT NULL DEFAULT 'calling' CHECK (state IN ('calling', 'unknown', 'done')),
    -- Grows with every owner: one that stalled and wakes finds another number here and may write no more.
    fencing        integer NOT NULL DEFAULT 1,
    -- When another may take it up: the end of the owner's lease, or of the pause after an unknown outcome.
    due_at         timestamptz NOT NULL,
    attempts       integer NOT NULL DEFAULT 1,
    outcome        jsonb,
    -- The client's request that waits for the answer: its idempotency key, and how it wants to be answered.
    scope          text COLLATE "C",
    key            text COLLATE "C",
    key_fencing    bigint,
    request_id     text NOT NULL,
    expand         text[] NOT NULL DEFAULT '{}',
    -- Of the request, so that a trace tells how its operation ended, whoever ended it.
    traceparent    text,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    CHECK ((kind = 'refund') = (refund_id IS NOT NULL)),
    CHECK ((kind = 'authorise') = (bank_charge_id IS NULL)),
    CHECK ((scope IS NULL) = (key IS NULL) AND (key IS NULL) = (key_fencing IS NULL))
) WITH (fillfactor = 80);

-- What decides between a capture and a cancel: an intent is in one hand at a time. Refunds are many at once,
-- bounded by their charge's row instead.
CREATE UNIQUE INDEX bank_operations_open ON bank_operations (intent_id) WHERE state <> 'done' AND kind <> 'refund';
CREATE INDEX bank_operations_due ON bank_operations (due_at) WHERE state <> 'done';
CREATE INDEX bank_operations_key ON bank_operations (scope, key) WHERE state <> 'done' AND key IS NOT NULL;
CREATE INDEX bank_operations_intent ON bank_operations (intent_id);
