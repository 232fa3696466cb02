"""What a page of customers costs when there are a thousand of them, and when there are a million."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
from payments.domain.ids import new_id

from benchmarks._frame import Row, figure, less_is_better
from benchmarks._processes import Process, load_core
from benchmarks.payments.load import CONNECTIONS
from benchmarks.payments.stack import ACCOUNT, running_stack
from loadtests.wrk import WrkResult, run_wrk

FEW, MANY = 1_000, 1_000_000
BATCH = 20_000
CURSORS = 500
SECONDS = 3
ROUNDS = 3
SEED = 20261121
# Flat: the tail of a page may grow by a third at the most, which is what two runs of one of them differ by.
FLAT = 0.75
COLUMNS = ("id", "account_id", "email", "profile", "metadata", "created_at")


def measure_lists() -> list[Row]:
    """Two databases and two processes, in turns; pages begin anywhere."""
    with running_stack() as stack:
        few, many = stack.environment["DATABASE_URL"], stack.database()
        few_paths = asyncio.run(fill(few, FEW))
        many_paths = asyncio.run(fill(many, MANY))
        with stack.payments() as small, stack.payments(DATABASE_URL=many) as large:
            headers = [f"Authorization: Bearer {stack.api_key}"]
            seen: dict[str, list[WrkResult]] = {"few": [], "many": []}
            for _ in range(ROUNDS):
                seen["few"].append(_pages(small, few_paths, headers))
                seen["many"].append(_pages(large, many_paths, headers))
    best = {name: min(results, key=lambda one: one.p99_ms) for name, results in seen.items()}
    name = f"page of 10 customers, {CONNECTIONS} connections: p99 of {MANY:,} / of {FEW:,}"
    return [
        less_is_better(name, best["many"].p99_ms, best["few"].p99_ms, unit="ms", goal=FLAT),
        figure(f"page of 10 of {MANY:,}: p50", best["many"].p50_ms, unit="ms"),
        figure(f"page of 10 of {MANY:,}: rate", best["many"].per_s, unit="1/s"),
    ]


def _pages(process: Process, paths: Sequence[str], headers: Sequence[str]) -> WrkResult:
    result = run_wrk(
        process.url,
        paths,
        duration_s=SECONDS,
        connections=CONNECTIONS,
        headers=headers,
        pin_core=load_core(),
    )
    if result.errors:
        raise RuntimeError(f"{result.errors} pages were refused:\n{process.log.read_text()[-2000:]}")
    return result


async def fill(dsn: str, count: int) -> list[str]:
    """Customers by COPY, a second apart; addresses of pages that begin at random ones."""
    conn = await asyncpg.connect(dsn, timeout=30)
    chosen = random.Random(SEED)  # noqa: S311 - which pages are read is no secret
    cursors: list[str] = []
    try:
        # COPY is binary, and asyncpg's own codec of json is not.
        await conn.set_type_codec(
            "json", schema="pg_catalog", encoder=str.encode, decoder=bytes.decode, format="binary"
        )
        for start in range(0, count, BATCH):
            rows = [_row(number, count) for number in range(start, min(start + BATCH, count))]
            await conn.copy_records_to_table("customers", records=rows, columns=COLUMNS, timeout=60)
            cursors += [row[0] for row in rows if chosen.random() < CURSORS / count]
        await conn.execute("VACUUM ANALYZE customers", timeout=120)
    finally:
        await conn.close(timeout=30)
    return ["/v1/customers", *(f"/v1/customers?starting_after={cursor}" for cursor in cursors)]


def _row(number: int, count: int) -> tuple[str, str, str, str, str, datetime]:
    profile = f'{{"name": "Customer {number}"}}'
    at = datetime.now(UTC) - timedelta(seconds=count - number)
    return (new_id("cus", at), ACCOUNT, f"customer.{number}@example.com", profile, "{}", at)
