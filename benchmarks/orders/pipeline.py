"""The whole pipeline on one machine: orders completed a second, and how long one takes at a steady rate."""

import asyncio
import json
import tempfile
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from benchmarks import _openloop
from benchmarks._frame import Row, figure
from benchmarks._servers import Servers, running_servers
from tests.support.orders_stack import OrdersStack

SKUS = 20
# More than can be completed meanwhile: what remains is a queue, and its drain is the capacity.
BURST_PER_S, BURST_S = 60.0, 20.0
STEADY_PER_S, STEADY_S, WARM_UP_S = 20.0, 30.0, 3.0
WARM_UP_ORDERS_PER_S = 10.0
SETTLED_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Steady:
    """Placed to completed, and the answer to the POST from its intended start."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    post_p99_ms: float


def measure_pipeline() -> list[Row]:
    """A process of every kind, on durable servers; an order reserves, pays at the bank, and is told of."""
    with running_servers(pinned=False) as servers, tempfile.TemporaryDirectory() as folder:
        capacity, steady = asyncio.run(_measure(servers, Path(folder)))
    at = f"at {STEADY_PER_S:.0f} orders a second"
    return [
        figure("orders completed a second, all on one machine", capacity, unit="1/s"),
        figure(f"placed to completed {at}, p50", steady.p50_ms, unit="ms"),
        figure(f"placed to completed {at}, p95", steady.p95_ms, unit="ms"),
        figure(f"placed to completed {at}, p99", steady.p99_ms, unit="ms"),
        figure(f"POST /v1/orders {at}, p99 from the intended start", steady.post_p99_ms, unit="ms"),
    ]


async def _measure(servers: Servers, folder: Path) -> tuple[float, Steady]:
    shipped = {"FAULTS_ENABLED": "false", "ACCESS_LOG": "sampled", "TRACE_SAMPLE_RATIO": "0.01"}
    stack = OrdersStack(
        folder,
        databases=servers.databases,
        redis_url=servers.redis.address,
        kafka=servers.kafka.address,
        **shipped,
    )
    try:
        await stack.up(orders=1)
        _, key = await stack.tenant()
        await _fill_shelves(stack, key)
        await _place(stack, key, WARM_UP_ORDERS_PER_S, WARM_UP_S)
        steady = await _steady(stack, key)
        return await _capacity(stack, key), steady
    finally:
        await stack.close()


async def _fill_shelves(stack: OrdersStack, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=stack.orders[0].url, headers=headers, timeout=30) as shop:
        for number in range(SKUS):
            product = {"name": "Teapot", "unit_price": 2_495, "currency": "eur", "stock": 1_000_000}
            (await shop.put(f"/v1/products/teapot-{number}", json=product)).raise_for_status()


async def _place(stack: OrdersStack, key: str, rate_per_s: float, seconds: float) -> _openloop.Result:
    """On an open schedule, and back when all of them have come to their end."""
    order = {
        "customer_id": "cus_bench",
        "currency": "eur",
        "payment_method": "pm_card_visa",
        "lines": [{"sku": f"teapot-{n}", "quantity": 1} for n in (3, 7)],
    }
    plan = _openloop.Plan(
        stack.orders[0].port,
        ["/v1/orders"],
        rate_per_s,
        seconds,
        form=json.dumps(order),
        media_type="application/json",
        headers=(f"Authorization: Bearer {key}", f"Idempotency-Key: {uuid.uuid4().hex}-{{n}}"),
        from_s=0.0,
    )
    result = await asyncio.to_thread(_openloop.run, plan)
    assert result.answered == result.sent
    assert not result.server_errors
    await _settled(stack)
    return result


async def _settled(stack: OrdersStack) -> None:
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while await stack.fetch("orders", "SELECT FROM orders WHERE finished_at IS NULL LIMIT 1"):  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    [(unfit,)] = await stack.fetch("orders", "SELECT count(*) FROM orders WHERE status <> 'completed'")
    assert unfit == 0, f"{unfit} orders were not completed"


async def _steady(stack: OrdersStack, key: str) -> Steady:
    began_at = datetime.now(UTC)
    result = await _place(stack, key, STEADY_PER_S, STEADY_S)
    [[ranks]] = await stack.fetch(
        "orders",
        """
        SELECT percentile_disc(ARRAY[0.5, 0.95, 0.99])
               WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at) * 1000)::float8[]
        FROM orders
        WHERE created_at > $1
        """,
        began_at,
    )
    p50, p95, p99 = ranks
    return Steady(p50, p95, p99, result.p99_ms)


async def _capacity(stack: OrdersStack, key: str) -> float:
    """From the first order of a burst to the end of its last."""
    began_at = datetime.now(UTC)
    await _place(stack, key, BURST_PER_S, BURST_S)
    [(per_s,)] = await stack.fetch(
        "orders",
        """
        SELECT (count(*) / extract(epoch FROM max(finished_at) - min(created_at)))::float8
        FROM orders
        WHERE created_at > $1
        """,
        began_at,
    )
    return float(per_s)
