"""How long an event takes to its receiver, and what a receiver that hangs costs the others (ADR-0013)."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import asyncpg
import msgspec

from benchmarks import _openloop
from benchmarks._frame import Row, figure, less_is_better
from benchmarks._processes import LOAD_CORE, Process, python_server
from benchmarks.payments.stack import Stack, running_stack

RATE_PER_S, SECONDS = 50, 4
SETTLED_WITHIN_S = 60.0
# Beside a receiver that hangs an event may take a half longer at the most.
FAIR = 0.67


def measure_webhooks() -> list[Row]:
    """Customers are created at a steady rate: each an event for one endpoint, then for a silent one too."""
    command = ["-m", "benchmarks.shortener.trace_sink", "{port}"]
    with (
        running_stack() as stack,
        stack.payments() as api,
        stack.worker(),
        python_server(command, {}, core=LOAD_CORE) as receiver,
    ):
        endpoint = _register(stack, api, receiver.url)
        alone = _lags_ms(stack, api, endpoint, "alone")
        with _silent() as url:
            _register(stack, api, url)
            beside = _lags_ms(stack, api, endpoint, "beside")
    return [
        less_is_better(
            "median lag of a delivery beside a receiver that hangs / alone",
            beside[0],
            alone[0],
            unit="ms",
            goal=FAIR,
        ),
        figure("p99 lag of a delivery beside a receiver that hangs", beside[1], unit="ms"),
        figure("p99 lag of a delivery", alone[1], unit="ms"),
    ]


def _register(stack: Stack, api: Process, url: str) -> str:
    form = urlencode({"url": url, "enabled_events[]": "customer.created"}).encode()
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    request = Request(f"{api.url}/v1/webhook_endpoints", form, headers)  # noqa: S310 - loopback
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        return str(msgspec.json.decode(answer.read())["id"])


@contextmanager
def _silent() -> Iterator[str]:
    """Connections are taken, and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def _lags_ms(stack: Stack, api: Process, endpoint: str, run: str) -> tuple[float, float]:
    """Median and p99 from the event to the receiver's answer."""
    asyncio.run(_forget(stack.environment["DATABASE_URL"], endpoint))
    plan = _openloop.Plan(
        int(api.url.rpartition(":")[2]),
        ["/v1/customers"],
        RATE_PER_S,
        SECONDS,
        form="name=Jenny+{n}",
        headers=(f"Authorization: Bearer {stack.api_key}", f"Idempotency-Key: {run}-{{n}}"),
    )
    result = _openloop.run(plan)
    assert not result.server_errors
    return asyncio.run(_lags_of(stack.environment["DATABASE_URL"], endpoint, result.sent))


async def _forget(dsn: str, endpoint: str) -> None:
    conn = await asyncpg.connect(dsn, timeout=30)
    try:
        await conn.execute("DELETE FROM webhook_deliveries WHERE endpoint_id = $1", endpoint)
    finally:
        await conn.close(timeout=30)


async def _lags_of(dsn: str, endpoint: str, count: int) -> tuple[float, float]:
    conn = await asyncpg.connect(dsn, timeout=30)
    ends_at = time.monotonic() + SETTLED_WITHIN_S
    try:
        while time.monotonic() < ends_at:
            lags = await conn.fetch(
                """
                SELECT e.created_at AS told_at, d.finished_at
                FROM webhook_deliveries AS d
                JOIN events AS e ON e.account_id = d.account_id AND e.id = d.event_id
                WHERE d.endpoint_id = $1 AND d.state = 'delivered'
                """,
                endpoint,
            )
            if len(lags) >= count:
                return _quantiles([(row["told_at"], row["finished_at"]) for row in lags])
            await asyncio.sleep(0.2)
    finally:
        await conn.close(timeout=30)
    raise RuntimeError(f"{count} deliveries were not made within {SETTLED_WITHIN_S} s")


def _quantiles(spans: list[tuple[datetime, datetime]]) -> tuple[float, float]:
    taken = sorted((end - start).total_seconds() * 1000 for start, end in spans)
    return taken[len(taken) // 2], taken[len(taken) * 99 // 100]
