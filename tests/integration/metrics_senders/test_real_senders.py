"""What real senders send arrives: counts and values as the sender has them, and a ledger that balances."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.support.eventually import eventually
from tests.support.metrics_senders import Prometheus, Sender, Vmagent, arrives
from tests.support.metrics_stack import Account, MetricsStack
from tests.support.processes import TIMEOUT_S
from tests.support.shared import SharedServers

SCRAPES = 3
LINES, ROUNDS = 200, 5
EXPORTS = 3
Make = Callable[..., Any]


@pytest.fixture
def started(servers: SharedServers) -> Iterator[Make]:
    made: list[Sender] = []

    def start(kind: type[Sender], **wanted: Any) -> Sender:
        made.append(kind(servers.own_folder(kind.__name__.lower()), **wanted))
        made[-1].start()
        return made[-1]

    yield start
    for sender in made:
        sender.close()


async def test_prometheus_at_its_defaults_finds_here_what_it_holds_itself(
    stack: MetricsStack, started: Make
) -> None:
    account = await stack.tenant()
    (receiver,) = stack.receivers
    prometheus = await asyncio.to_thread(
        started, Prometheus, url=receiver.url, key=account.key, targets=[f"127.0.0.1:{receiver.port}"]
    )

    async def scraped() -> bool:
        intervals = await prometheus.metric("prometheus_target_interval_length_seconds_count")
        return bool(intervals >= 2 * SCRAPES)

    await eventually(scraped, timeout_s=TIMEOUT_S, interval_s=0.3)
    at_s = time.time()
    # Up to a moment that has passed on both sides: what is scraped later has a later time.
    held = await prometheus.held(at_s)
    await arrives(account, held, at_s)
    assert await prometheus.metric("prometheus_remote_storage_samples_failed_total") == 0
    assert await prometheus.metric("prometheus_remote_storage_samples_dropped_total") == 0
    await asyncio.to_thread(prometheus.stop)
    ledger = await account.settled(accepted=sum(map(len, held.values())))
    assert ledger["rejected"] == {}


async def test_vmagent_delivers_every_line_that_it_took(stack: MetricsStack, started: Make) -> None:
    account = await stack.tenant()
    vmagent = await asyncio.to_thread(started, Vmagent, url=stack.receivers[0].url, key=account.key)
    now_ms = int(time.time() * 1000)

    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
        for step in range(ROUNDS):
            at_ms = now_ms - 1000 * (ROUNDS - step)
            lines = [f'agent_value{{line="{n}"}} {n + step} {at_ms}\n' for n in range(LINES)]
            taken = await client.post(vmagent.address + "/api/v1/import/prometheus", content="".join(lines))
            assert taken.is_success

    total = sum(n + step for step in range(ROUNDS) for n in range(LINES))
    await account.shows("sum(count_over_time(agent_value[5m]))", LINES * ROUNDS)
    await account.shows("sum(sum_over_time(agent_value[5m]))", total)
    ledger = await account.settled(received=LINES * ROUNDS)
    assert ledger["accepted"] == ledger["stored"] == LINES * ROUNDS


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_the_opentelemetry_sdk_exports_and_its_totals_are_here(
    stack: MetricsStack, compression: Compression
) -> None:
    account = await stack.tenant()

    await asyncio.to_thread(_export, account, compression, {})

    await account.shows('checkout_orders_total{job="shop/checkout"}', 1 + 2 + 3)
    await account.shows("sum_over_time(checkout_orders_total[5m])", 1 + 3 + 6)
    await account.shows("checkout_wait_seconds_count", 3)
    await account.shows("checkout_wait_seconds_sum", 2.5 + 5 + 7.5)
    await account.shows('checkout_wait_seconds_bucket{le=~"5|5[.]0"}', 2)
    await account.shows("sum_over_time(checkout_open_carts[5m])", 5 + 6 + 7)
    await account.shows('target_info{job="shop/checkout",deployment_environment="test"}', 1)
    ledger = await account.settled(received=3 * EXPORTS)
    assert ledger["rejected"] == {}


async def test_deltas_of_the_opentelemetry_sdk_are_refused_by_name_and_the_rest_is_taken(
    stack: MetricsStack,
) -> None:
    account = await stack.tenant()
    delta = AggregationTemporality.DELTA

    await asyncio.to_thread(_export, account, Compression.NoCompression, {Counter: delta, Histogram: delta})

    ledger = await account.settled(received=3 * EXPORTS)
    assert (ledger["accepted"], ledger["rejected"]) == (EXPORTS, {"unsupported_temporality": 2 * EXPORTS})


def _export(
    account: Account, compression: Compression, temporality: dict[type, AggregationTemporality]
) -> None:
    """Three exports of a counter, a histogram and a gauge."""
    exporter = OTLPMetricExporter(
        endpoint=f"{account.stack.receivers[0].url}/v1/metrics",
        headers={"authorization": f"Bearer {account.key}"},
        compression=compression,
        preferred_temporality=temporality,
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    provider = MeterProvider(
        metric_readers=[reader],
        resource=Resource.create(
            {"service.name": "checkout", "service.namespace": "shop", "deployment.environment": "test"}
        ),
        shutdown_on_exit=False,
    )
    try:
        meter = provider.get_meter("tests")
        orders = meter.create_counter("checkout.orders")
        waits = meter.create_histogram("checkout.wait", unit="s")
        carts = meter.create_gauge("checkout.open_carts")
        for step in range(1, EXPORTS + 1):
            orders.add(step)
            waits.record(2.5 * step)
            carts.set(4 + step)
            if step < EXPORTS:
                assert provider.force_flush(10_000)
    finally:
        # The last export of all.
        provider.shutdown()
