-- Accounts and their secret keys. Every other table names its account, every query filters on it.

CREATE TABLE accounts (
    id         text COLLATE "C" PRIMARY KEY CHECK (id LIKE 'acct\_%'),
    name       text NOT NULL,
    -- Of its requests: `burst` at once, then `rate_per_s`.
    rate_per_s double precision NOT NULL CHECK (rate_per_s > 0),
    burst      integer NOT NULL CHECK (burst > 0),
    created_at timestamptz NOT NULL
);

CREATE TABLE api_keys (
    key_sha256 bytea PRIMARY KEY CHECK (octet_length(key_sha256) = 32),
    account_id text COLLATE "C" NOT NULL REFERENCES accounts (id),
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);

CREATE INDEX api_keys_account_id ON api_keys (account_id);
