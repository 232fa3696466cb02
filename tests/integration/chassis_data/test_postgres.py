"""The pool: bounded waits, and one exception type for an absent server."""

import asyncio
import functools
import time

import asyncpg
import pytest
from chassis import postgres
from chassis.postgres import DatabaseUnavailable, Pool
from chassis.settings import ChassisSettings
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.servers import Handle


async def test_json_goes_in_and_out_as_python_values(pool: Pool) -> None:
    value = {"a": [1, 2.5, None, "é"], "b": {"c": True}}
    assert await pool.fetchval("SELECT $1::jsonb", value) == value
    assert await pool.fetchval("SELECT $1::json", value) == value
    assert await pool.fetchval("SELECT ($1::jsonb)->>'b'", value) == '{"c": true}'


async def test_an_endless_statement_is_cut_by_the_server(settings: ChassisSettings) -> None:
    async with postgres.pool_of(settings.model_copy(update={"database_timeout_s": 0.2})) as pool:
        with pytest.raises(asyncpg.QueryCanceledError):
            await pool.execute("SELECT pg_sleep(60)")


async def test_an_exhausted_pool_is_unavailable_and_not_a_queue_without_end(
    settings: ChassisSettings,
) -> None:
    async with postgres.pool_of(settings.model_copy(update={"database_pool_max": 1})) as pool:
        async with pool.acquire():
            with pytest.raises(DatabaseUnavailable):
                async with pool.acquire(timeout=0.05):
                    raise AssertionError
        await postgres.ping(pool)


async def test_a_pool_opens_without_a_server_and_says_that_it_is_away() -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    async with postgres.pool_of(ChassisSettings(database_url=nowhere)) as pool:
        with pytest.raises(DatabaseUnavailable):
            await postgres.ping(pool)
        with pytest.raises(DatabaseUnavailable):
            await pool.fetchval("SELECT 1")


async def test_a_connection_cut_in_the_middle_of_work_is_unavailable(pool: Pool) -> None:
    async def work() -> None:
        async with pool.acquire() as conn, conn.transaction():
            await pool.execute("SELECT pg_terminate_backend($1)", conn.get_server_pid())
            await conn.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable):
        await work()
    await postgres.ping(pool)


async def test_a_failing_statement_is_not_taken_for_an_absent_server(pool: Pool) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with pool.acquire() as conn, conn.transaction():
            await conn.execute("SELECT * FROM no_such_table")
    with pytest.raises(ValueError, match="ours"):
        async with pool.acquire():
            raise ValueError("ours")


async def test_the_pool_recovers_by_itself_when_postgres_restarts_under_load(own_postgres: Handle) -> None:
    settings = ChassisSettings(database_url=own_postgres.address, database_timeout_s=2.0)
    counts = {"ok": 0, "away": 0}
    stop = asyncio.Event()
    async with postgres.pool_of(settings) as pool:

        async def work() -> None:
            while not stop.is_set():
                try:
                    async with pool.acquire() as conn, conn.transaction():
                        await conn.fetchval("SELECT count(*) FROM pg_class")
                    counts["ok"] += 1
                except DatabaseUnavailable:
                    counts["away"] += 1
                    await asyncio.sleep(0.01)

        def passed(outcome: str, count: int) -> bool:
            return counts[outcome] > count

        workers = [asyncio.create_task(work()) for _ in range(20)]
        await eventually(lambda: counts["ok"] > 100)
        for end in (own_postgres.stop, own_postgres.kill):
            await asyncio.to_thread(end)
            await eventually(functools.partial(passed, "away", counts["away"] + 20))
            await asyncio.to_thread(own_postgres.start)
            await eventually(functools.partial(passed, "ok", counts["ok"] + 100))
        stop.set()
        # Any other exception type would come out here.
        await asyncio.gather(*workers)


async def test_an_absent_server_is_told_at_once(own_postgres: Handle) -> None:
    settings = ChassisSettings(database_url=own_postgres.address)
    async with postgres.pool_of(settings) as pool:
        await asyncio.to_thread(own_postgres.stop)
        with pytest.raises(DatabaseUnavailable):
            await postgres.ping(pool)
        # A paused server accepts and never answers: the caller's own limit holds.
        await asyncio.to_thread(own_postgres.start)
        await postgres.ping(pool)
        own_postgres.pause()
        try:
            started = time.monotonic()
            with pytest.raises(postgres.UNAVAILABLE):
                async with asyncio.timeout(0.3), pool.acquire(timeout=0.2) as conn:
                    await conn.execute("SELECT 1")
            assert time.monotonic() - started < settings.database_timeout_s
        finally:
            own_postgres.resume()


async def test_connections_are_counted_by_state(settings: ChassisSettings) -> None:
    def count(state: str) -> float | None:
        return REGISTRY.get_sample_value("db_pool_connections", {"state": state})

    async with postgres.pool_of(settings) as pool:
        async with pool.acquire():
            assert count("used") == 1
        assert count("used") == 0
        assert count("idle") == 1
        assert count("max") == settings.database_pool_max


async def test_statements_of_a_sampled_request_are_spans_of_its_trace(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(postgres, "tracer", provider.get_tracer("test"))
    with provider.get_tracer("test").start_as_current_span("request") as request:
        await pool.fetchval("SELECT 1 AS traced")
    await pool.fetchval("SELECT 2 AS untraced")
    await eventually(lambda: len(exporter.get_finished_spans()) >= 2)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    query = spans["postgres.query"]
    assert query.attributes is not None
    assert query.attributes["db.query.text"] == "SELECT 1 AS traced"
    assert query.context.trace_id == request.get_span_context().trace_id
    assert query.kind is trace.SpanKind.CLIENT
    assert len(exporter.get_finished_spans()) == 2
