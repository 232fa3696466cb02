-- What Redis still has to be told. A row is written in the transaction of the change; `published_at` is set once
-- the tombstone stands in Redis. Told rows stay for a while: a Redis that comes back from an old copy of itself
-- has forgotten its tombstones and is told again.
CREATE TABLE cache_invalidations (
    revision     bigint PRIMARY KEY,
    slug         text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);

CREATE INDEX cache_invalidations_pending ON cache_invalidations (revision) WHERE published_at IS NULL;
CREATE INDEX cache_invalidations_recent ON cache_invalidations (created_at);
