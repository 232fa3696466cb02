"""metrics-ingest as a deployment runs it: receivers and a writer as processes, a store, on given servers."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from chassis.auth import hash_key
from metrics_ingest.usecases.accept import TOPIC

from infra.kafka import topics
from tests.support import pick
from tests.support.databases import Databases, run_apart
from tests.support.eventually import eventually
from tests.support.metrics import ADMIN_KEY, Victoria
from tests.support.processes import TIMEOUT_S, Process, Processes, connected
from tests.support.servers import Handle
from tests.support.shared import SharedServers

# Of a machine that does much else: the writer may have to wait for its group, and for its store.
SETTLED_S = 90.0

# All that a tenant has, as far back as tests look.
EVERYTHING = '{__name__!=""}[1h]'

Json = dict[str, Any]
# Series by their labels; values by their milliseconds.
Samples = dict[frozenset[tuple[str, str]], dict[int, float]]


@dataclass
class Backing:
    """What the processes stand on, beside Postgres; each can be stopped, killed, paused and started again."""

    redis: Handle
    kafka: Handle
    store: Victoria

    def all(self) -> tuple[Handle, ...]:
        return (self.redis, self.kafka, self.store)


@contextmanager
def backing(servers: SharedServers) -> Iterator[Backing]:
    """Of one module's or package's own: its topic, its groups and its store are nobody else's."""
    made = Backing(
        pick.redis_maker()(servers.own_folder("redis")),
        pick.kafka_maker()(servers.own_folder("kafka")),
        Victoria(servers.own_folder("victoria")),
    )
    try:
        for server in made.all():
            server.start()
        yield made
    finally:
        for server in made.all():
            server.close()


class MetricsStack(Processes):
    """`up()` starts it; `receivers` and `writer` are its processes."""

    def __init__(self, folder: Path, servers: Backing, dsn: str, **more: str) -> None:
        environment = {
            "ENVIRONMENT": "test",
            "DATABASE_URL": dsn,
            "REDIS_URL": servers.redis.address,
            "KAFKA_BOOTSTRAP": servers.kafka.address,
            "VICTORIAMETRICS_URL": servers.store.address,
            "ADMIN_API_KEY": ADMIN_KEY,
            "ACCESS_LOG": "errors",
            "TRACE_SAMPLE_RATIO": "0",
            "MALLOC_MMAP_THRESHOLD_": "262144",
            "DRAIN_S": "0.3",
            "BARRIER_EVERY_S": "0.3",
            # Not the measured subject here, and points of its own in the ledger.
            "CANARY_EVERY_S": "3600",
            **more,
        }
        super().__init__(folder, environment)
        self.servers, self.dsn = servers, dsn
        self.receivers: list[Process] = []
        self.writer = self.add("metrics_ingest.worker")

    async def up(self, *, receivers: int = 2) -> None:
        """Each answers /readyz when this returns; the topics are those of the declaration."""
        own = [topic for topic in topics.declared() if topic.name.startswith(TOPIC)]
        await topics.apply(self.servers.kafka.address, own)
        self.receivers = [self.add("metrics_ingest.main") for _ in range(receivers)]
        for process in self.processes:
            process.spawn()
        await asyncio.gather(*(process.ready() for process in self.processes))

    async def heal(self) -> None:
        """Starts what is down, servers first."""
        for server in self.servers.all():
            if not getattr(server, "running", True):
                await asyncio.to_thread(server.start)
        for process in self.processes:
            if not process.running:
                process.spawn()
        await asyncio.gather(*(process.ready() for process in self.processes))

    async def tenant(self, **limits: float) -> "Account":
        """A tenant of a test's own; `limits` are columns of its row, the others have their defaults."""
        name, key = f"t-{uuid.uuid4().hex[:12]}", f"mk_{uuid.uuid4().hex}"
        async with connected(self.dsn) as conn, conn.transaction():
            await conn.execute("INSERT INTO tenants (id, name) VALUES ($1, $1)", name)
            for column, value in limits.items():
                await conn.execute(f"UPDATE tenants SET {column} = $2 WHERE id = $1", name, value)  # noqa: S608 a column
            await conn.execute(
                "INSERT INTO api_keys (key_sha256, tenant_id) VALUES ($1, $2)", hash_key(key), name
            )
        return Account(self, name, key)


@dataclass(frozen=True)
class Account:
    """A tenant as its owner sees it: sends, asks, and reads its ledger."""

    stack: MetricsStack
    id: str
    key: str

    def client(self, receiver: int = 0) -> httpx.AsyncClient:
        """With its key, to one of the receivers; enter it."""
        return httpx.AsyncClient(
            base_url=self.stack.receivers[receiver].url,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=TIMEOUT_S,
        )

    async def send(self, path: str, body: bytes, *, receiver: int = 0, **headers: str) -> httpx.Response:
        """`headers` are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client(receiver) as client:
            return await client.post(path, content=body, headers=named)

    async def ledger(self) -> Json:
        async with self.client() as client:
            answer = await client.get("/api/v1/ledger")
        assert answer.status_code == httpx.codes.OK, answer.text
        (found,) = answer.json()["tenants"]
        assert found["tenant"] == self.id
        return dict(found)

    async def settled(self, *, received: int = 0, accepted: int = 0) -> Json:
        """The ledger once it has counted so many and nothing is in flight; it balances, or this fails."""

        async def drawn() -> Json:
            found = await self.ledger()
            assert found["received"] >= received, found
            assert found["accepted"] >= accepted, found
            assert found["in_flight"] == 0, found
            return found

        found = await eventually(drawn, timeout_s=SETTLED_S, interval_s=0.1)
        assert_balanced(found)
        return found

    async def query(self, expression: str, at_s: float | None = None) -> Json:
        """The whole answer, of that moment or of now."""
        parameters = {"query": expression} | ({} if at_s is None else {"time": f"{at_s:.3f}"})
        async with self.client() as client:
            answer = await client.get("/api/v1/query", params=parameters)
        assert answer.status_code == httpx.codes.OK, answer.text
        return dict(answer.json())

    async def value(self, expression: str, at_s: float | None = None) -> float:
        """Of an expression that comes to one number at most; nothing at all is 0."""
        found = (await self.query(expression, at_s))["data"]["result"]
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else 0.0

    async def held(self, at_s: float) -> Samples:
        """Every sample up to then."""
        return samples_of(await self.query(EVERYTHING, at_s))

    async def shows(self, expression: str, expected: float, at_s: float | None = None) -> None:
        """What is stored is seen a moment later: the store's own pace."""
        await eventually(
            lambda: self.value(expression, at_s),
            timeout_s=TIMEOUT_S,
            interval_s=0.1,
            accept=lambda found: found == expected,
        )


def samples_of(answer: Json) -> Samples:
    """Of an expression that is a range of a selector; stale markers are no samples."""
    assert answer["status"] == "success", answer
    return {
        frozenset(series["metric"].items()): {
            round(at_s * 1000): float(value) for at_s, value in series["values"] if value != "NaN"
        }
        for series in answer["data"]["result"]
    }


def assert_balanced(found: Json) -> None:
    """Every point that was received is somewhere, and counted once."""
    assert found["received"] == found["accepted"] + sum(found["rejected"].values()), found
    assert found["accepted"] == found["stored"] + found["in_flight"] + sum(found["dead"].values()), found
    assert found["residue"] == 0, found


@contextmanager
def running_stack(
    servers: SharedServers, databases: Databases, folder: Path, *, receivers: int = 2, **more: str
) -> Iterator[MetricsStack]:
    """For fixtures of any scope: it needs no event loop of theirs."""
    dsn = databases.migrated("metrics_ingest")
    with backing(servers) as made:
        stack = MetricsStack(folder, made, dsn, **more)
        try:
            run_apart(stack.up(receivers=receivers))
            yield stack
        finally:
            run_apart(stack.close())
    databases.drop(dsn)
