"""Worker, catcher and shortener as processes of their own, and events as orders would write them."""

import asyncio
import contextlib
import json
import uuid
from pathlib import Path
from typing import Any

import httpx
from chassis.auth import hash_key
from chassis.records import Record, cloudevent_headers

from tests.integration.notifications.stage import ADMIN_KEY, WEBHOOK_SECRET
from tests.support import kafka_topics
from tests.support.kafka_topics import Found
from tests.support.ports import free_port
from tests.support.processes import TIMEOUT_S, Processes, connected

TOPIC = "orders.order-changed.v1"
TIERS = [f"notifications.retry.{name}" for name in ("5s", "30s", "5m")]
SHORTENER_KEY = "sb_test_of_the_notices_worker"
DELAYS_S = (0.3, 2.0, 0.5)


class Road:
    """The only way to the mail server: closed, it is as if that were down; and it opens again at once."""

    def __init__(self, port: int, *, leads_to: int) -> None:
        self.port, self._leads_to = port, leads_to
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._leads_to)
            self._open |= {writer, back}
            await asyncio.gather(_pour(reader, back), _pour(there, writer))
            self._open -= {writer, back}
        writer.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


class NoticesStack(Processes):
    """Not started by itself; the worker's waits between tries are short."""

    def __init__(self, folder: Path, *, dsn: str, shortener_dsn: str, redis_url: str, kafka: str) -> None:
        environment = {
            "REDIS_URL": redis_url,
            "KAFKA_BOOTSTRAP": kafka,
            "ADMIN_API_KEY": ADMIN_KEY,
            "ACCESS_LOG": "errors",
            "DRAIN_S": "0.3",
        }
        super().__init__(folder, environment)
        self.dsn, self.shortener_dsn, self.kafka = dsn, shortener_dsn, kafka
        smtp_port = free_port()
        self.road = Road(free_port(), leads_to=smtp_port)
        self.catcher = self.add("notifications.catcher", SMTP_PORT=str(smtp_port))
        self.shortener = self.add(
            "shortener.main",
            DATABASE_URL=shortener_dsn,
            SHORTENER_ID_KEY="a-permutation-key-of-the-tests",
            VISITOR_SALT_KEY="a-salt-key-of-the-tests",
        )
        self.worker = self.add(
            "notifications.worker",
            DATABASE_URL=dsn,
            SMTP_PORT=str(self.road.port),
            MAIL_FROM="shop@example.com",
            SHORTENER_URL=self.shortener.url,
            SHORTENER_API_KEY=SHORTENER_KEY,
            TRACKING_URL="https://tracking.example.com/orders/{order_id}",
            WEBHOOK_SECRET=WEBHOOK_SECRET,
            WEBHOOK_ALLOWED_HOSTS="127.0.0.1",
            RETRY_DELAYS_S=json.dumps(DELAYS_S),
            FAULTS_ENABLED="true",
        )

    async def up(self) -> None:
        async with connected(self.shortener_dsn) as conn:
            await conn.execute(
                """
                INSERT INTO tenants (id, name, rate_per_s, burst, links_per_month)
                VALUES ('notifications', 'Notifications', 1e6, 1e6, 1e8)
                """
            )
            await conn.execute(
                "INSERT INTO api_keys (key_sha256, tenant_id) VALUES ($1, 'notifications')",
                hash_key(SHORTENER_KEY),
            )
        await self.heal()

    async def heal(self) -> None:
        """Everything runs and nothing fails on purpose."""
        await self.road.open()
        down = [process for process in self.processes if not process.running]
        for process in down:
            process.spawn()
        for process in self.processes:
            process.wake()
            await process.ready()
        await self.fault(None)

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with httpx.AsyncClient(base_url=self.catcher.url, headers=headers, timeout=TIMEOUT_S) as client:
            answer = await client.request(method, path, **more)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def fault(self, kind: str | None) -> None:
        if kind is None:
            await self.ask("DELETE", "/admin/faults")
        else:
            await self.ask("POST", "/admin/faults", json={"kind": kind})

    async def mails(self, to: str) -> list[dict[str, Any]]:
        return list((await self.ask("GET", "/messages", params={"to": to}))["items"])

    async def fetch(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        async with connected(self.dsn) as conn:
            return [dict(row) for row in await conn.fetch(query, *parameters)]

    async def deliveries(self, event_id: str) -> list[dict[str, Any]]:
        query = (
            "SELECT channel, state, attempts, redrives FROM deliveries WHERE event_id = $1 ORDER BY channel"
        )
        return await self.fetch(query, event_id)

    async def write(self, *records: Record) -> None:
        await kafka_topics.write(self.kafka, records)

    async def read(self, *topics: str, key: bytes | None = None) -> list[Found]:
        found = await kafka_topics.read(self.kafka, topics)
        return [one for one in found if key is None or one.key == key]

    async def retried(self, tier: str) -> float:
        """Since the worker started."""
        return await self.worker.metric(
            f'kafka_consumer_retried_total{{group="notifications",tier="{tier}"}}'
        )


class Placed:
    """One order's event: its ids, its trace, and the address that nobody else has."""

    def __init__(self, kind: str = "completed", *, webhook_url: str | None = None) -> None:
        self.event_id = str(uuid.uuid4())
        self.order_id = "ord_" + uuid.uuid4().hex[:12]
        self.trace_id = uuid.uuid4().hex
        self.address = f"{self.order_id}@example.com"
        self.message_id = f"<{self.event_id}@example.com>"
        self._kind, self._webhook_url = kind, webhook_url

    @property
    def key(self) -> bytes:
        return self.order_id.encode()

    def record(self, *, value: bytes | None = None, event_type: str | None = None) -> Record:
        data = {
            "order_id": self.order_id,
            "tenant_id": "demo",
            "customer_id": "cus_1",
            "status": self._kind,
            "step": self._kind,
            "reason": None,
            "currency": "eur",
            "amount": 1_999,
            "lines": [{"sku": "mug", "name": "Mug", "quantity": 1, "unit_price": 1_999}],
            "notify": {"email": self.address, "webhook_url": self._webhook_url},
            "version": 6,
            "at": "2026-11-21T10:00:00Z",
        }
        headers = cloudevent_headers(
            event_id=self.event_id,
            source="/orders",
            event_type=event_type or f"orders.order-{self._kind}.v1",
            sequence=6,
            traceparent=f"00-{self.trace_id}-00f067aa0ba902b7-00",
        )
        return Record(TOPIC, self.key, json.dumps(data).encode() if value is None else value, headers)
