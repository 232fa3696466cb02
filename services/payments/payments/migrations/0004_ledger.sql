-- Refunds, and the double-entry ledger that every balance is read from (ADR-0012).

CREATE TABLE refunds (
    id                          text COLLATE "C" PRIMARY KEY,
    account_id                  text COLLATE "C" NOT NULL,
    charge                      text COLLATE "C" NOT NULL REFERENCES charges (id),
    payment_intent              text COLLATE "C" NOT NULL,
    amount                      bigint NOT NULL CHECK (amount > 0),
    currency                    text NOT NULL,
    status                      text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    reason                      text CHECK (reason IN ('duplicate', 'fraudulent', 'requested_by_customer')),
    failure_reason              text,
    metadata                    jsonb NOT NULL DEFAULT '{}',
    -- What the bank calls it; null until the bank has answered.
    bank_refund_id              text,
    balance_transaction         text COLLATE "C",
    failure_balance_transaction text COLLATE "C",
    -- Whether refund.created was told: it is told when the outcome is known, or known to be unknown.
    announced                   boolean NOT NULL DEFAULT false,
    -- Grows with every change: readers of the events tell old news by it.
    version                     integer NOT NULL DEFAULT 1,
    created_at                  timestamptz NOT NULL,
    updated_at                  timestamptz NOT NULL,
    CHECK ((status = 'failed') = (failure_reason IS NOT NULL)),
    CHECK ((status = 'pending') = (balance_transaction IS NULL))
);

-- Pages, newest first: of an account, of a charge, of an intent.
CREATE INDEX refunds_account_page ON refunds (account_id, id DESC);
CREATE INDEX refunds_charge_page ON refunds (charge, id DESC);
CREATE INDEX refunds_intent_page ON refunds (payment_intent, id DESC);
CREATE INDEX refunds_pending ON refunds (created_at) WHERE status = 'pending';

-- One row a movement of money; its id is the balance transaction's.
CREATE TABLE ledger_transactions (
    id         text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('charge', 'refund', 'refund_failure')),
    -- The charge or refund that it books, once: a second posting of the same fact is refused.
    source     text COLLATE "C" NOT NULL,
    posted_at  timestamptz NOT NULL,
    UNIQUE (source, kind)
);

-- Debits are positive, credits negative.
--   bank_clearing       what the bank owes us: captured, less refunded
--   merchant:{acct_...} what we owe the merchant (negative while we owe)
--   fees                what we earned
CREATE TABLE ledger_entries (
    transaction_id text COLLATE "C" NOT NULL REFERENCES ledger_transactions (id),
    account        text COLLATE "C" NOT NULL
                   CHECK (account IN ('bank_clearing', 'fees') OR account LIKE 'merchant:acct\_%'),
    amount         bigint NOT NULL CHECK (amount <> 0),
    currency       text COLLATE "C" NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    available_on   timestamptz NOT NULL,
    PRIMARY KEY (transaction_id, account, currency)
);

CREATE INDEX ledger_entries_balance ON ledger_entries (account, currency, available_on) INCLUDE (amount);

-- What a merchant sees of a movement.
CREATE TABLE balance_transactions (
    id           text COLLATE "C" PRIMARY KEY REFERENCES ledger_transactions (id),
    account_id   text COLLATE "C" NOT NULL,
    type         text NOT NULL CHECK (type IN ('charge', 'refund', 'refund_failure')),
    source       text COLLATE "C" NOT NULL,
    amount       bigint NOT NULL,
    fee          bigint NOT NULL,
    net          bigint NOT NULL CHECK (net = amount - fee),
    currency     text COLLATE "C" NOT NULL,
    description  text,
    available_on timestamptz NOT NULL,
    created_at   timestamptz NOT NULL
);

CREATE INDEX balance_transactions_account_page ON balance_transactions (account_id, id DESC);
CREATE INDEX balance_transactions_source ON balance_transactions (source);

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: the ledger is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Post a reversing transaction instead.';
END
$$;

-- The entries of a transaction come in one statement: nothing joins them later, before or after the commit.
CREATE FUNCTION ledger_entries_come_at_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT transaction_id, count(*) AS entries FROM added GROUP BY transaction_id) AS coming
        WHERE coming.entries <> (
            SELECT count(*) FROM ledger_entries AS held WHERE held.transaction_id = coming.transaction_id
        )
    ) THEN
        RAISE EXCEPTION 'entries cannot be added to a ledger transaction that has some'
            USING ERRCODE = 'restrict_violation', HINT = 'Post a transaction of its own.';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger_transaction_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    entries  bigint;
    unequal  text;
BEGIN
    SELECT coalesce(sum(held.entries), 0), string_agg(held.currency || ' ' || held.total, ', ' ORDER BY held.currency)
                                           FILTER (WHERE held.total <> 0)
    INTO entries, unequal
    FROM (
        SELECT currency, count(*) AS entries, sum(amount) AS total
        FROM ledger_entries WHERE transaction_id = NEW.id GROUP BY currency
    ) AS held;
    IF entries = 0 THEN
        RAISE EXCEPTION 'ledger transaction % has no entries', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    IF unequal IS NOT NULL THEN
        RAISE EXCEPTION 'ledger transaction % is not zero: %', NEW.id, unequal USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER ledger_transactions_balance
    AFTER INSERT ON ledger_transactions DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ledger_transaction_balances();
CREATE TRIGGER ledger_entries_at_once
    AFTER INSERT ON ledger_entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_come_at_once();
CREATE TRIGGER ledger_transactions_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_entries_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER balance_transactions_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON balance_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

-- ALWAYS: also for a session that replays replication, the one way to pass by ordinary triggers.
ALTER TABLE ledger_transactions ENABLE ALWAYS TRIGGER ledger_transactions_balance;
ALTER TABLE ledger_entries ENABLE ALWAYS TRIGGER ledger_entries_at_once;
ALTER TABLE ledger_transactions ENABLE ALWAYS TRIGGER ledger_transactions_append_only;
ALTER TABLE ledger_entries ENABLE ALWAYS TRIGGER ledger_entries_append_only;
ALTER TABLE balance_transactions ENABLE ALWAYS TRIGGER balance_transactions_append_only;
