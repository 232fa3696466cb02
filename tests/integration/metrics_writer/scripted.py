"""A writer on a real database and a store in memory, which loses what no snapshot holds when it is killed."""

from collections.abc import Sequence
from typing import Any

from chassis.kafka import Message, offsets
from chassis.postgres import Pool
from metrics_ingest.domain.balance import TenantLedger
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.usecases import ledger
from metrics_ingest.usecases.writing import GROUP, Writing
from metrics_ingest.victoria import StoreAway, StoreRefused

from tests.support import remote_write
from tests.support.batches import TOPIC

NOTHING = -1


class Store:
    """Samples by tenant and name, as a set: equal samples are one."""

    def __init__(self) -> None:
        self.memory: set[tuple[str, bytes, int, float]] = set()
        self.disk: set[tuple[str, bytes, int, float]] = set()
        self.process = 1
        self.away = False
        self.away_at_snapshot = False
        self.killed_at_snapshot = False
        self.poisoned = b""
        self.requests = 0
        self.left: list[str] = []

    def kill(self) -> None:
        self.memory = set(self.disk)
        self.process += 1

    async def write(self, tenant_id: str, body: bytes) -> None:
        self.requests += 1
        self._answer()
        read = remote_write.read(remote_write.unsnap(body))
        if any(labels[b"__name__"] == self.poisoned for labels, _ in read):
            raise StoreRefused("poisoned")
        for labels, samples in read:
            self.memory |= {(tenant_id, labels[b"__name__"], at, value) for at, value in samples}

    async def started_at(self) -> str:
        self._answer()
        return str(self.process)

    async def create_snapshot(self) -> str:
        self._answer()
        if self.away_at_snapshot:
            raise StoreAway("no answer")
        if self.killed_at_snapshot:
            self.kill()
        self.disk = set(self.memory)
        self.left.append(f"snapshot-{self.process}-{self.requests}")
        return self.left[-1]

    async def delete_snapshot(self, name: str) -> None:
        self._answer()
        self.left.remove(name)

    def _answer(self) -> None:
        if self.away:
            raise StoreAway("no answer")


class World:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.store = Store()
        self.woken = 0
        self.writing = Writing(pool, self.store, WriterBounds(barrier_every_s=0.0), self._wake)

    def _wake(self) -> None:
        self.woken += 1

    async def write(self, messages: Sequence[Message], *, expected: int = NOTHING) -> None:
        """As the loop calls it, for messages of one partition."""
        partition = (TOPIC, messages[0].partition)
        await self.writing.run(list(messages), {partition: (expected, messages[-1].offset + 1)})

    async def barrier(self) -> None:
        await self.writing.between()

    async def count(self, messages: Sequence[Message], *, expected: int = NOTHING) -> None:
        """What the ledger's own group does."""
        partition = (TOPIC, messages[0].partition)
        async with self.pool.acquire() as conn, conn.transaction():
            await offsets.load(conn, ledger.GROUP, [partition])
            await offsets.advance(conn, ledger.GROUP, {partition: (expected, messages[-1].offset + 1)})
            await ledger.count(conn, messages)

    async def ledger(self, tenant: str) -> TenantLedger:
        return (await ledger.ledger(self.pool, tenant))[0]

    async def offset(self, partition: int = 0) -> int:
        async with self.pool.acquire() as conn:
            return (await offsets.load(conn, GROUP, [(TOPIC, partition)]))[(TOPIC, partition)]

    async def letters(self) -> list[Any]:
        async with self.pool.acquire() as conn:
            return list(await conn.fetch("SELECT topic, key, value FROM outbox ORDER BY id"))
