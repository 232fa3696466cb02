"""The client on the real store: stamped writes, snapshots that hold, a process told from its successor."""

import asyncio
import time

import pytest
from metrics_ingest.domain import merging
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.victoria import StoreAway, StoreRefused, Victoria, victoria_of

from tests.support.batches import block
from tests.support.eventually import eventually
from tests.support.metrics import Victoria as Server
from tests.support.ports import free_port


async def started_at(store: Victoria) -> str:
    async def ask() -> str:
        try:
            return await store.started_at()
        except StoreAway:
            return ""

    return await eventually(ask, timeout_s=30)


async def values(store: Victoria, tenant: str, expression: str) -> list[str]:
    await store.force_flush()
    return [one["value"][1] for one in await store.query(tenant, expression, time.time())]


async def test_a_merge_of_records_is_stored_under_its_tenant_alone(store: Victoria) -> None:
    now_ms = int(time.time() * 1000)
    parts = [block("merged", [(now_ms - at, float(at))], part=str(at)) for at in range(5)]
    await store.write("one", merging.merge([merging.read(None, part) for part in parts]))
    assert await values(store, "one", "sum(merged)") == ["10"]
    assert await values(store, "two", "sum(merged)") == []


async def test_equal_samples_written_twice_are_one(store: Victoria) -> None:
    now_ms = int(time.time() * 1000)
    samples = [(now_ms - at, float(at)) for at in range(100)]
    for _ in range(3):
        await store.write("one", block("twice", samples))
    assert await values(store, "one", "count_over_time(twice[1m])") == ["100"]
    assert await values(store, "one", "sum_over_time(twice[1m])") == ["4950"]


async def test_bytes_that_are_no_message_are_refused(store: Victoria) -> None:
    for body in (b"\x05abc", b"\xff" * 20):
        with pytest.raises(StoreRefused):
            await store.write("one", body)


async def test_only_what_a_snapshot_holds_survives_kill_9(store: Victoria, store_server: Server) -> None:
    now_ms = int(time.time() * 1000)
    first = await started_at(store)
    await store.write("one", block("safe", [(now_ms, 1.0)]))
    name = await store.create_snapshot()
    assert name in await store.snapshots()
    await store.delete_snapshot(name)
    assert await store.snapshots() == []
    await store.write("one", block("unsafe", [(now_ms, 1.0)]))
    await asyncio.to_thread(store_server.kill)
    with pytest.raises(StoreAway):
        await store.write("one", block("away", [(now_ms, 1.0)]))
    await asyncio.to_thread(store_server.start)
    assert await started_at(store) != first
    assert await values(store, "one", "safe") == ["1"]
    assert await values(store, "one", "unsafe") == []


async def test_a_frozen_store_is_away_in_time_and_the_same_afterwards(store_server: Server) -> None:
    bounds = WriterBounds(write_timeout_s=0.3, call_timeout_s=0.3)
    async with victoria_of(store_server.address, bounds, "test") as store:
        before = await started_at(store)
        store_server.pause()
        try:
            with pytest.raises(StoreAway):
                await store.write("one", block("frozen", [(1, 1.0)]))
            with pytest.raises(StoreAway):
                await store.started_at()
        finally:
            store_server.resume()
        assert await started_at(store) == before


async def test_nobody_there_is_away() -> None:
    async with victoria_of(f"http://127.0.0.1:{free_port()}", WriterBounds(), "test") as store:
        for _ in range(30):  # the breaker opens on the way
            with pytest.raises(StoreAway):
                await store.create_snapshot()
