"""What double entry costs beside a balance column, and what reading a balance costs (ADR-0012)."""

import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from statistics import median

from chassis.postgres import Pool, create_pool
from chassis.settings import ChassisSettings
from payments.domain.fees import fee
from payments.domain.ledger import Posting, merchant
from payments.store import balance_transactions, ledger

from benchmarks._frame import Row, figure, more_is_better
from benchmarks.chassis.rate import alternate
from benchmarks.chassis.servers import run
from benchmarks.payments.load import CONNECTIONS
from benchmarks.payments.stack import ACCOUNT, running_stack

AMOUNT, CURRENCY = 1099, "usd"
BOOKED = 100_000
READS = 50


def measure_ledger() -> list[Row]:
    with running_stack() as stack:
        rates, balance_ms = run(_measure(stack.environment["DATABASE_URL"]))
    name = f"charges booked for one merchant, {CONNECTIONS} callers: double entry / a balance column"
    return [
        more_is_better(name, rates["entries"], rates["column"], unit="1/s", goal=None),
        figure(f"balance of a merchant with {BOOKED:,} charges", balance_ms, unit="ms"),
    ]


async def _measure(dsn: str) -> tuple[dict[str, float], float]:
    pool = await create_pool(ChassisSettings(service_name="bench", database_url=dsn, database_timeout_s=120))
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "entries": lambda: _double_entry(pool),
        "column": lambda: _balance_column(pool),
    }
    try:
        await _prepare(pool)
        rates = await alternate(ways, tasks=CONNECTIONS)
        await _book_many(pool)
        return rates, await _balance_ms(pool)
    finally:
        await pool.close()


async def _double_entry(pool: Pool) -> None:
    """As the service does it: transaction, three entries, balance transaction; the sum checked at commit."""
    at = datetime.now(UTC)
    name = uuid.uuid4().hex
    posting = Posting(
        id=f"txn_{name}",
        account_id=ACCOUNT,
        kind="charge",
        source=f"ch_{name}",
        amount=AMOUNT,
        fee=fee(AMOUNT, CURRENCY),
        currency=CURRENCY,
        at=at,
        available_on=at,
    )
    async with pool.acquire() as conn, conn.transaction():
        await ledger.post(conn, posting)


async def _balance_column(pool: Pool) -> None:
    """As tutorials do it: a row for the movement, and the merchant's number goes up."""
    net = AMOUNT - fee(AMOUNT, CURRENCY)
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("INSERT INTO naive_movements (id, amount) VALUES ($1, $2)", uuid.uuid4(), net)
        await conn.execute("UPDATE naive_balances SET amount = amount + $2 WHERE account = $1", ACCOUNT, net)


async def _prepare(pool: Pool) -> None:
    async with pool.acquire() as conn:
        await conn.execute("CREATE TABLE naive_movements (id uuid PRIMARY KEY, amount bigint NOT NULL)")
        await conn.execute("CREATE TABLE naive_balances (account text PRIMARY KEY, amount bigint NOT NULL)")
        await conn.execute("INSERT INTO naive_balances (account, amount) VALUES ($1, 0)", ACCOUNT)


async def _book_many(pool: Pool) -> None:
    """More charges of the same merchant, in one statement."""
    async with pool.acquire() as conn:
        await conn.execute(
            """
            WITH headers AS (
                INSERT INTO ledger_transactions (id, account_id, kind, source, posted_at)
                SELECT 'txn_' || n, $1, 'charge', 'ch_' || n, now() FROM generate_series(1, $3::integer) AS n
                RETURNING id
            )
            INSERT INTO ledger_entries (transaction_id, account, amount, currency, available_on)
            SELECT headers.id, entry.account, entry.amount, 'usd', now() + random() * interval '2 days'
            FROM headers,
                 (VALUES ('bank_clearing', 1099), ($2, -1037), ('fees', -62)) AS entry (account, amount)
            """,
            ACCOUNT,
            merchant(ACCOUNT),
            BOOKED,
        )
        await conn.execute("VACUUM ANALYZE ledger_entries")


async def _balance_ms(pool: Pool) -> float:
    taken = []
    async with pool.acquire() as conn:
        for _ in range(READS):
            started = time.perf_counter()
            await balance_transactions.held(conn, merchant(ACCOUNT), datetime.now(UTC))
            taken.append(time.perf_counter() - started)
    return median(taken) * 1000
