"""What the idempotency key of a create costs: in its one statement, and as three round trips (ADR-0008)."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from chassis import idempotency
from chassis.postgres import Pool, create_pool
from chassis.settings import ChassisSettings
from payments.dialect.calls import Kept
from payments.domain.customers import Customer
from payments.domain.events import EventRow
from payments.store import customers

from benchmarks._frame import Row, more_is_better
from benchmarks.chassis.rate import alternate
from benchmarks.chassis.servers import run
from benchmarks.payments.load import CONNECTIONS
from benchmarks.payments.stack import running_stack

FINGERPRINT = idempotency.fingerprint(["POST /v1/customers", {"name": "Jenny Rosen"}])
BODY = b"{" + b" " * 600 + b"}"  # about what a customer weighs


def measure_keys() -> list[Row]:
    with running_stack() as stack:
        rates = run(_measure(stack.environment["DATABASE_URL"]))
    name = f"customer, event, key and answer in one statement, {CONNECTIONS} callers"
    return [
        more_is_better(f"{name} / three round trips", rates["one"], rates["three"], unit="1/s", goal=1.0),
        more_is_better(f"{name} / the same without a key", rates["one"], rates["none"], unit="1/s"),
    ]


async def _measure(dsn: str) -> dict[str, float]:
    pool = await create_pool(ChassisSettings(service_name="bench", database_url=dsn, database_timeout_s=30))
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "one": lambda: _one_statement(pool, uuid.uuid4().hex),
        "three": lambda: _three_round_trips(pool, uuid.uuid4().hex),
        "none": lambda: _one_statement(pool, None),
    }
    try:
        return await alternate(ways, tasks=CONNECTIONS)
    finally:
        await pool.close()


async def _one_statement(pool: Pool, key: str | None) -> None:
    """As the service does it."""
    row, event = _facts()
    kept = Kept("bench", key, FINGERPRINT, row.created_at, 200, {}, BODY)
    async with pool.acquire() as conn:
        created = await customers.create(conn, kept, row, event)
    assert created is not None
    assert created["created"]


async def _three_round_trips(pool: Pool, key: str) -> None:
    """Claim, work, answer: each correct alone, and three commits."""
    row, event = _facts()
    async with pool.acquire() as conn:
        claimed = await conn.fetchval(
            """
            INSERT INTO idempotency_keys (scope, key, fingerprint, locked_by, locked_until, created_at)
            VALUES ('bench', $1, $2, 'bench', $3, $3)
            ON CONFLICT DO NOTHING
            RETURNING true
            """,
            key,
            FINGERPRINT,
            row.created_at,
        )
        assert claimed
        created = await customers.create(conn, Kept("", None, b"", row.created_at, 200, {}, b""), row, event)
        assert created is not None
        await conn.execute(
            """
            UPDATE idempotency_keys
            SET state = 'finished', response_status = 200, response_headers = '{}', response_body = $2
            WHERE scope = 'bench' AND key = $1
            """,
            key,
            BODY,
        )


def _facts() -> tuple[Customer, EventRow]:
    at = datetime.now(UTC)
    row = Customer(f"cus_{uuid.uuid4().hex}", "acct_bench", "jo@example.com", None, {"name": "Jo"}, {}, at)
    event = EventRow(
        id=f"evt_{uuid.uuid4().hex}",
        account_id="acct_bench",
        type="customer.created",
        api_version="bench",
        data={"object": {"id": row.id, "padding": " " * len(BODY)}},
        request_id=None,
        idempotency_key=None,
        traceparent=None,
        created_at=at,
    )
    return row, event
