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
from tests.support.metrics_senders import Prometheus, Sender, Vmagent
from tests.support.metrics_stack import Account, MetricsStack
from tests.support.processes import TIMEOUT_S
from tests.support.shared import SharedServers

SCRAPES = 4
LINES, ROUNDS = 200, 5
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
    everything = 'sum(count_over_time({__name__!=""}[10m]))'
    # Whole numbers: the store keeps 15 digits of the others.
    values = 'sum(sum_over_time({__name__=~".+_(bucket|count)"}[10m]))'

    async def scraped() -> bool:
        now = time.time()
        return await prometheus.value("sum(count_over_time(up[10m]) or vector(0))", now) >= 2 * SCRAPES

    await eventually(scraped, timeout_s=TIMEOUT_S, interval_s=0.3)
    at_s = time.time()
    # It sends what it holds when it is asked to leave.
    count, total = await prometheus.value(everything, at_s), await prometheus.value(values, at_s)
    await account.shows(everything, count, at_s)
    await account.shows(values, total, at_s)
    failed = await prometheus.metric("prometheus_remote_storage_samples_failed_total")
    dropped = await prometheus.metric("prometheus_remote_storage_samples_dropped_total")
    assert (failed, dropped) == (0, 0)
    await asyncio.to_thread(prometheus.stop)
    ledger = await account.settled()
    assert ledger["rejected"] == {}
    assert ledger["accepted"] >= count


async def test_vmagent_delivers_every_line_that_it_took(stack: MetricsStack, started: Make) -> None:
    account = await stack.tenant()
    vmagent = await asyncio.to_thread(started, Vmagent, url=stack.receivers[0].url, key=account.key)
    now_ms = int(time.time() * 1000)

    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
        for step in range(ROUNDS):
            at_ms = now_ms - 1000 * (ROUNDS - step)
            lines = [f'agent_value{{line="{n}"}} {n + step} {at_ms}\n' for n in range(LINES)]
            taken = await client.post(
                vmagent.address + "/api/v1/import/prometheus", content="".join(lines)
            )
            assert taken.is_success

    total = sum(n + step for step in range(ROUNDS) for n in range(LINES))
    await account.shows("sum(count_over_time(agent_value[5m]))", LINES * ROUNDS)
    await account.shows("sum(sum_over_time(agent_value[5m]))", total)
    ledger = await account.settled(received=LINES * ROUNDS)
    assert ledger["stored"] == LINES * ROUNDS


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_the_opentelemetry_sdk_exports_and_its_totals_are_here(
    stack: MetricsStack, compression: Compression
) -> None:
    account = await stack.tenant()

    await asyncio.to_thread(_export, account, compression, {})

    job = '{job="shop/checkout"}'
    await account.shows(f"checkout_orders_total{job}", 1 + 2 + 3)
    await account.shows(f"sum_over_time(checkout_orders_total{job}[5m])", 1 + 3 + 6)
    await account.shows(f"checkout_wait_seconds_count{job}", 3)
    await account.shows(f"checkout_wait_seconds_sum{job}", 7.5)
    await account.shows(f'checkout_wait_seconds_bucket{{le="5.0"}} or checkout_wait_seconds_bucket{{le="5"}}', 2)
    await account.shows(f"checkout_open_carts{job}", 7)
    await account.shows('target_info{job="shop/checkout",deployment_environment="test"}', 1)
    ledger = await account.settled(received=3 * ROUNDS_OF_SDK)
    assert ledger["rejected"] == {}


async def test_deltas_of_the_opentelemetry_sdk_become_totals(stack: MetricsStack) -> None:
    account = await stack.tenant()
    delta = AggregationTemporality.DELTA

    await asyncio.to_thread(_export, account, Compression.NoCompression, {Counter: delta, Histogram: delta})

    ledger = await account.settled(received=3 * ROUNDS_OF_SDK)
    print(ledger)


ROUNDS_OF_SDK = 3


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
        for step in range(1, ROUNDS_OF_SDK + 1):
            orders.add(step)
            waits.record(2.5 if step < ROUNDS_OF_SDK else 2.5)
            carts.set(4 + step)
            assert provider.force_flush(10_000)
    finally:
        provider.shutdown()
