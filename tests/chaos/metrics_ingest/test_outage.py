"""The broker is away for a while under Prometheus at its defaults: nothing fails, and all of it is there."""

import asyncio
import time

import pytest

from tests.support.effort import effort
from tests.support.eventually import eventually
from tests.support.metrics_senders import Prometheus, arrives
from tests.support.metrics_stack import MetricsStack
from tests.support.processes import TIMEOUT_S
from tests.support.shared import SharedServers

# The requirement says 60 s: the length decides how much there is to catch up with.
OUTAGE_S = effort(15.0, full=60.0)
FAILED = "prometheus_remote_storage_samples_failed_total"
RETRIED = "prometheus_remote_storage_samples_retried_total"
DROPPED = "prometheus_remote_storage_samples_dropped_total"


@pytest.mark.slow
async def test_a_broker_outage_costs_prometheus_no_sample(
    stack: MetricsStack, servers: SharedServers
) -> None:
    account = await stack.tenant()
    prometheus = Prometheus(
        servers.own_folder("prometheus"),
        url=stack.receivers[0].url,
        key=account.key,
        targets=[f"127.0.0.1:{process.port}" for process in stack.processes],
    )
    await asyncio.to_thread(prometheus.start)
    try:
        await eventually(lambda: account.value("count(up)"), timeout_s=TIMEOUT_S)
        await asyncio.to_thread(stack.servers.kafka.stop)
        await asyncio.sleep(OUTAGE_S)
        assert await prometheus.metric(RETRIED) > 0, "it was told to come again"
        await asyncio.to_thread(stack.servers.kafka.start)
        at_s = time.time()
        held = await prometheus.held(at_s)
        await arrives(account, held, at_s)
        assert await prometheus.metric(FAILED) == 0
        assert await prometheus.metric(DROPPED) == 0
        await asyncio.to_thread(prometheus.stop)
    finally:
        await asyncio.to_thread(prometheus.close)
    ledger = await account.settled(accepted=sum(map(len, held.values())))
    assert ledger["rejected"] == {}
