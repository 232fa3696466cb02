"""Points with known values on their way to the store: as many as were acknowledged, and their sum."""

import asyncio
import time
import uuid
from collections.abc import Sequence

import asyncpg
from chassis.kafka import Ack, Producer, Record
from chassis.postgres import Pool
from metrics_ingest.domain.balance import TenantLedger
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.settings import MetricsSettings
from metrics_ingest.usecases import ledger
from metrics_ingest.victoria import StoreAway, victoria_of

from tests.support.batches import record
from tests.support.eventually import eventually
from tests.support.metrics import Victoria

NAME = "chaos_points"
SERIES = 20
RECORD_POINTS = 50
RECORDS = 20
# Older than any sample is late, younger than what one query looks back.
SPAN_S = 3600


def settings_of(dsn: str, kafka: str, store: str, port: int) -> MetricsSettings:
    return MetricsSettings(
        service_name="chaos",
        database_url=dsn,
        kafka_bootstrap=kafka,
        victoriametrics_url=store,
        http_port=port,
        barrier_every_s=0.3,
    )


class Flow:
    def __init__(self, settings: MetricsSettings, pool: Pool, server: Victoria) -> None:
        self.settings, self.pool, self.server = settings, pool, server
        self.producer = Producer(settings)
        self.tenant = f"chaos-{uuid.uuid4().hex[:8]}"
        self.sent = 0
        self._base_ms = int(time.time() - SPAN_S / 2) * 1000

    @property
    def sum(self) -> int:
        """Every point's value is its number, from 1."""
        return self.sent * (self.sent + 1) // 2

    async def send(self) -> None:
        """Some thousand points in records of a series each; no two samples are equal."""
        await self.send_records([self.next_record() for _ in range(RECORDS)])

    def next_record(self) -> Record:
        numbers = range(self.sent + 1, self.sent + RECORD_POINTS + 1)
        samples = [(self._base_ms + number, float(number)) for number in numbers]
        series = str(self.sent // RECORD_POINTS % SERIES)
        self.sent += RECORD_POINTS
        return record(self.tenant, NAME, samples, key=f"batch-{self.sent}", series=series)

    async def send_records(self, records: Sequence[Record]) -> None:
        """All acknowledged."""
        results = await self.producer.send_many(records)
        assert all(isinstance(result, Ack) for result in results), results

    async def send_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.send()
            await asyncio.sleep(0.05)

    async def ledger(self) -> TenantLedger:
        return (await ledger.ledger(self.pool, self.tenant))[0]

    async def settled(self, *, timeout_s: float = 90.0) -> TenantLedger:
        """Once the writer says that everything is stored."""

        async def drawn() -> TenantLedger:
            try:
                found = await self.ledger()
            except (asyncpg.PostgresError, OSError) as error:
                raise AssertionError(str(error)) from error
            assert (found.accepted, found.in_flight) == (self.sent, 0)
            return found

        return await eventually(drawn, timeout_s=timeout_s, interval_s=0.2)

    async def stored(self) -> tuple[int, int]:
        """Count and sum of what the store holds."""
        async with victoria_of(self.server.address, WriterBounds(), "test") as store:

            async def ask(function: str) -> int:
                try:
                    await store.force_flush()
                    found = await store.query(self.tenant, f"sum({function}({NAME}[{SPAN_S}s]))", time.time())
                except StoreAway as error:
                    raise AssertionError(str(error)) from error
                return int(float(found[0]["value"][1])) if found else 0

            async def once(function: str) -> int:
                """The first answer, whatever it is: what is committed is there at once, or lost."""
                return await eventually(lambda: ask(function), timeout_s=20, accept=lambda _: True)

            return await once("count_over_time"), await once("sum_over_time")
