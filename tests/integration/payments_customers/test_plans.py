"""Every page is a walk along one index, whatever the table holds: no sort, no row read in vain."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from asyncpg.connection import LoggedQuery
from payments.domain.ids import new_id

from tests.integration.payments_customers.wire import attached, customer, made
from tests.support.payments import Served

CUSTOMERS = 2_000
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def watching(served: Served) -> AsyncIterator[list[LoggedQuery]]:
    """The statements that run meanwhile: all other connections of the pool are held back."""
    seen: list[LoggedQuery] = []
    pool = served.pool
    held = [await pool.acquire() for _ in range(pool.get_max_size())]
    watched = held.pop()
    watched.add_query_logger(seen.append)
    await pool.release(watched)
    try:
        yield seen
    finally:
        for conn in held:
            await pool.release(conn)


async def plan(conn: Any, query: LoggedQuery, mode: str) -> dict[str, Any]:
    """The plan of a statement as it runs with its values, known to the planner or not."""
    values = ", ".join(_literal(value) for value in query.args)
    await conn.execute(f"SET plan_cache_mode = {mode}")
    await conn.execute(f"PREPARE page AS {query.query}")
    try:
        [row] = await conn.fetch(
            f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, FORMAT JSON) EXECUTE page ({values})"
        )
    finally:
        await conn.execute("DEALLOCATE page")
    found: dict[str, Any] = json.loads(row[0])[0]["Plan"]
    return found


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def nodes(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [found, *(node for part in found.get("Plans", []) for node in nodes(part))]


@pytest.fixture
async def many(served: Served) -> list[str]:
    """Customers of two accounts, a second apart, every hundredth with the same address; oldest first."""
    rows: list[tuple[Any, ...]] = []
    for number in range(CUSTOMERS):
        at = BEGAN + timedelta(seconds=number)
        account = "acct_one" if number % 5 else "acct_two"
        email = "same@example.com" if number % 100 == 1 else f"{number}@example.com"
        rows.append((new_id("cus", at), account, email, {}, {}, at))
    async with served.pool.acquire() as conn:
        await conn.executemany(
            "INSERT INTO customers (id, account_id, email, profile, metadata, created_at)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            rows,
        )
        await conn.execute("ANALYZE customers")
    return [row[0] for row in rows if row[1] == "acct_one"]


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"starting_after": "middle"},
        {"ending_before": "middle"},
        {"email": "same@example.com"},
        {"email": "same@example.com", "ending_before": "middle"},
        {"created[gte]": "early", "created[lt]": "middle"},
        {"created[lt]": "early"},
    ],
    ids=str,
)
async def test_a_page_of_customers_reads_what_it_shows(
    api: httpx.AsyncClient, served: Served, many: list[str], params: dict[str, str], mode: str, dsn: str
) -> None:
    moments = {"early": int(BEGAN.timestamp()) + 500, "middle": int(BEGAN.timestamp()) + CUSTOMERS // 2}
    wanted = {
        name: many[len(many) // 2]
        if name in {"starting_after", "ending_before"}
        else moments.get(value, value)
        for name, value in params.items()
    }
    async with watching(served) as seen:
        answer = await api.get("/v1/customers", params={**wanted, "limit": 5})
    assert len(answer.json()["data"]) == 5

    [query] = [one for one in seen if "ORDER BY" in one.query]
    conn = await asyncpg.connect(dsn)
    try:
        found = nodes(await plan(conn, query, mode))
    finally:
        await conn.close()
    assert [node["Node Type"] for node in found] == ["Limit", "Index Scan"]
    assert found[1]["Actual Rows"] == 6
    assert "Rows Removed by Filter" not in found[1]


async def test_pages_of_cards_and_setup_intents_are_never_sorted(
    api: httpx.AsyncClient, served: Served, dsn: str
) -> None:
    owner = await customer(api)
    card = await attached(api, owner)
    await made(api, "/v1/setup_intents", customer=owner, payment_method=card)
    pages = [
        ("/v1/payment_methods", {}),
        ("/v1/payment_methods", {"customer": owner}),
        ("/v1/payment_methods", {"customer": owner, "ending_before": card}),
        ("/v1/setup_intents", {}),
        ("/v1/setup_intents", {"customer": owner}),
        ("/v1/setup_intents", {"payment_method": card}),
    ]
    async with watching(served) as seen:
        for path, params in pages:
            assert (await api.get(path, params=params)).status_code == 200
    queries = [one for one in seen if "ORDER BY" in one.query]
    assert len(queries) == len(pages)
    conn = await asyncpg.connect(dsn)
    try:
        # Of so few rows the planner would rather read all: what is asked is whether an index has the order.
        await conn.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        for query in queries:
            found = nodes(await plan(conn, query, "force_generic_plan"))
            assert {node["Node Type"] for node in found} <= {"Limit", "Index Scan"}, query.query
    finally:
        await conn.close()
