-- How far each order has come, and what happens to it next.

CREATE TABLE sagas (
    order_id          text COLLATE "C" PRIMARY KEY REFERENCES orders (id),
    tenant_id         text COLLATE "C" NOT NULL,
    state             text COLLATE "C" NOT NULL CHECK (state IN (
                          'reserving', 'authorising', 'confirming', 'capturing',
                          'voiding', 'refunding', 'releasing', 'done')),
    -- Grows with every change.
    version           integer NOT NULL DEFAULT 1,
    -- Of the step in hand: commands sent, or calls to payments that may have left.
    attempts          integer NOT NULL,
    -- Payments has the call and does not know its outcome yet: it is asked, not called again.
    polling           boolean NOT NULL DEFAULT false,
    -- Grows when the step begins anew, under another idempotency key.
    round             integer NOT NULL DEFAULT 0,
    -- Grows with every owner and every state: a stalled owner finds another number and writes nothing.
    fencing           bigint NOT NULL DEFAULT 0,
    payment_intent_id text COLLATE "C",
    refund_id         text COLLATE "C",
    -- Why it goes back, unless the customer has cancelled: that overrides every reason.
    reason            text COLLATE "C",
    cancelling        boolean NOT NULL DEFAULT false,
    -- When this state began.
    entered_at        timestamptz NOT NULL,
    -- When a command is sent again, a call is due, or the lease on it ends; without one, people decide.
    due_at            timestamptz,
    -- Until when an order waits for its payment.
    give_up_at        timestamptz NOT NULL,
    stuck_since       timestamptz,
    last_error        text,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    CHECK (state <> 'done' OR due_at IS NULL),
    CHECK (stuck_since IS NULL OR due_at IS NULL)
) WITH (fillfactor = 70);

-- The executor's work, the sweeper's, and what people are shown.
CREATE INDEX sagas_money_due ON sagas (due_at) WHERE state IN ('authorising', 'capturing', 'voiding', 'refunding');
CREATE INDEX sagas_commands_due ON sagas (due_at) WHERE state IN ('reserving', 'confirming', 'releasing');
CREATE INDEX sagas_give_up ON sagas (give_up_at) WHERE state = 'authorising' AND reason IS NULL AND NOT cancelling;
CREATE INDEX sagas_live ON sagas (order_id) WHERE state <> 'done';
