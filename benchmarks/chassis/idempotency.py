"""What an Idempotency-Key costs: with the effect in one transaction, and as round trips apart (ADR-0008)."""

import uuid

from chassis import idempotency
from chassis.postgres import Connection, Pool

from benchmarks._frame import Row, more_is_better
from benchmarks.chassis.rate import alternate
from benchmarks.chassis.servers import migrated_pool, run, running
from tests.support.servers import Postgres

CALLERS = 16
FINGERPRINT = idempotency.fingerprint({"amount": 100, "currency": "eur"})
BODY = b'{"id": "order", "state": "new", "amount": 100}'


def measure() -> list[Row]:
    with running(Postgres) as postgres:
        rates = run(_measure(postgres.address))
    return [
        more_is_better("one statement, key as part of it / no key", rates["one"], rates["bare"], unit="1/s"),
        more_is_better(
            "create, claim and finish in its transaction / no key", rates["claim"], rates["none"], unit="1/s"
        ),
        more_is_better(
            "create, key in transactions of its own / no key", rates["apart"], rates["none"], unit="1/s"
        ),
        more_is_better(
            "one transaction / transactions of its own", rates["claim"], rates["apart"], unit="1/s", goal=1.0
        ),
    ]


async def _measure(dsn: str) -> dict[str, float]:
    async with migrated_pool(dsn) as pool:
        return await alternate(
            {
                "bare": lambda: _bare(pool),
                "none": lambda: _no_key(pool),
                "one": lambda: _one_statement(pool),
                "claim": lambda: _one_transaction(pool),
                "apart": lambda: _apart(pool),
            },
            tasks=CALLERS,
        )


async def _insert(conn: Connection) -> None:
    await conn.execute("INSERT INTO orders (id, amount_minor, state) VALUES ($1, 100, 'new')", uuid.uuid4())


async def _bare(pool: Pool) -> None:
    async with pool.acquire() as conn:
        await _insert(conn)


async def _no_key(pool: Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await _insert(conn)


async def _one_statement(pool: Pool) -> None:
    """For an effect that is one statement: the answer is known beforehand, so one INSERT carries both."""
    async with pool.acquire() as conn:
        await conn.execute(
            """
            WITH claimed AS (
                INSERT INTO idempotency_keys
                    (scope, key, fingerprint, locked_by, locked_until, created_at, state,
                     response_status, response_headers, response_body)
                VALUES ('bench', $1, $2, '', now(), now(), 'finished', 201, '{}', $3)
                ON CONFLICT DO NOTHING
                RETURNING key
            )
            INSERT INTO orders (id, amount_minor, state) SELECT $4, 100, 'new' FROM claimed
            """,
            uuid.uuid4().hex,
            FINGERPRINT,
            BODY,
            uuid.uuid4(),
        )


async def _one_transaction(pool: Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        claimed = await idempotency.claim(conn, "bench", uuid.uuid4().hex, FINGERPRINT)
        assert isinstance(claimed, idempotency.Claimed)
        await _insert(conn)
        await idempotency.finish(conn, claimed, 201, {}, BODY)


async def _apart(pool: Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        claimed = await idempotency.claim(
            conn, "bench", uuid.uuid4().hex, FINGERPRINT, owner="me", lease_s=30
        )
        assert isinstance(claimed, idempotency.Claimed)
    async with pool.acquire() as conn, conn.transaction():
        await _insert(conn)
    async with pool.acquire() as conn, conn.transaction():
        await idempotency.finish(conn, claimed, 201, {}, BODY)
