-- Customers, their cards, and the intents that set cards up.

-- What is only shown, never searched, is one document: `profile` holds name, addresses, invoice settings and the
-- like, as json, so that it keeps the order it was written in. No foreign key to accounts: each insert would lock
-- the account's one row. Keys hold the account first, so that one index serves both the page and the single row.
CREATE TABLE customers (
    id                     text COLLATE "C" NOT NULL,
    account_id             text COLLATE "C" NOT NULL,
    email                  text COLLATE "C",
    default_payment_method text COLLATE "C",
    profile                json NOT NULL,
    metadata               json NOT NULL,
    created_at             timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);

CREATE INDEX customers_email_page ON customers (account_id, email, id) WHERE email IS NOT NULL;

-- All that is left of a customer: personal data goes with the row, and pages never walk over the dead.
CREATE TABLE deleted_customers (
    id         text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    deleted_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);

CREATE TABLE payment_methods (
    id              text COLLATE "C" NOT NULL,
    account_id      text COLLATE "C" NOT NULL,
    customer_id     text COLLATE "C",
    -- The test card's name in domain/cards.py; no number and no security code is ever stored.
    card            text NOT NULL,
    exp_month       smallint NOT NULL CHECK (exp_month BETWEEN 1 AND 12),
    exp_year        smallint NOT NULL CHECK (exp_year BETWEEN 2000 AND 2999),
    has_cvc         boolean NOT NULL,
    -- The bank has seen it: checks are no longer "unchecked".
    checked         boolean NOT NULL DEFAULT false,
    -- A setup intent succeeded with it: off-session payments need no authentication.
    set_up          boolean NOT NULL DEFAULT false,
    -- Paid with while it was nobody's, or detached: it may not be used again.
    spent           boolean NOT NULL DEFAULT false,
    allow_redisplay text NOT NULL DEFAULT 'unspecified'
        CHECK (allow_redisplay IN ('always', 'limited', 'unspecified')),
    billing_details json NOT NULL,
    metadata        json NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (account_id, id),
    CHECK (customer_id IS NULL OR NOT spent)
);

CREATE INDEX payment_methods_customer_page ON payment_methods (account_id, customer_id, id)
    WHERE customer_id IS NOT NULL;

CREATE TABLE setup_intents (
    id                   text COLLATE "C" NOT NULL,
    account_id           text COLLATE "C" NOT NULL,
    status               text NOT NULL CHECK (status IN (
        'requires_payment_method', 'requires_confirmation', 'requires_action', 'processing', 'succeeded', 'canceled'
    )),
    client_secret        text NOT NULL,
    customer_id          text COLLATE "C",
    payment_method_id    text COLLATE "C",
    usage                text NOT NULL CHECK (usage IN ('off_session', 'on_session')),
    cancellation_reason  text CHECK (cancellation_reason IN ('abandoned', 'duplicate', 'requested_by_customer')),
    last_setup_error     json,
    next_action          json,
    -- The secret in the address of the authentication page, while there is something to authenticate.
    authentication_token text COLLATE "C" UNIQUE,
    -- What is only shown: description, payment method types and options.
    details              json NOT NULL,
    metadata             json NOT NULL,
    created_at           timestamptz NOT NULL,
    PRIMARY KEY (account_id, id),
    CHECK (status IN ('requires_payment_method', 'canceled') OR payment_method_id IS NOT NULL),
    CHECK ((status = 'requires_action') = (authentication_token IS NOT NULL)),
    CHECK ((authentication_token IS NULL) = (next_action IS NULL))
);

CREATE INDEX setup_intents_customer_page ON setup_intents (account_id, customer_id, id)
    WHERE customer_id IS NOT NULL;
CREATE INDEX setup_intents_payment_method_page ON setup_intents (account_id, payment_method_id, id)
    WHERE payment_method_id IS NOT NULL;
