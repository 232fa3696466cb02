-- Where every point went, by the two groups that read the topic (ADR-0027): `metrics-ledger` counts what the
-- receivers told of each record, `metrics-writer` what lies behind its durability barrier. A row is one
-- account of a tenant in a partition, so that both can be compared wherever their offsets agree.
CREATE TABLE ledger_entries (
    tenant_id text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    account   text COLLATE "C" NOT NULL
        CHECK (account IN ('received', 'accepted', 'rejected', 'stored', 'dead')),
    -- Empty but for rejected and dead points.
    reason    text COLLATE "C" NOT NULL DEFAULT '',
    points    bigint NOT NULL CHECK (points >= 0),
    PRIMARY KEY (tenant_id, partition, account, reason)
) WITH (fillfactor = 50);
