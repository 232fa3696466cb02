"""The order pipeline as a deployment runs it: every process of it and of what it calls, on given servers."""

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import httpx
from chassis.auth import hash_key

from infra.kafka import topics as declared_topics
from tests.support.databases import Databases
from tests.support.payments_stack import ADMIN_KEY, PaymentsStack
from tests.support.ports import free_port
from tests.support.processes import TIMEOUT_S, Process, Processes, connected

INVENTORY_KEY = "inventory-key-of-the-tests-0123456789"
SHORTENER_KEY = "shortener-key-of-the-tests-0123456789"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MAIL_DOMAIN = "customers.example.com"
TRACKING_URL = "https://tracking.example.com/orders/{order_id}"
DATABASES = ("orders", "inventory", "notifications", "payments", "bank", "shortener")

# What moves by itself: a group's place, and which relay may send.
RESTLESS = ("consumer_offsets", "outbox_leases", "outbox_relays")

Json = dict[str, Any]


class OrdersStack(Processes):
    """`up()` starts it; the processes have the names that `make status` gives them."""

    def __init__(
        self, folder: Path, *, databases: Databases, redis_url: str, kafka: str, **more: str
    ) -> None:
        self.dsns = {name: databases.migrated(name) for name in DATABASES}
        self.kafka, self.redis_url = kafka, redis_url
        environment = {
            "ENVIRONMENT": "test",
            "REDIS_URL": redis_url,
            "KAFKA_BOOTSTRAP": kafka,
            "ADMIN_API_KEY": ADMIN_KEY,
            "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1,localhost,::1",
            "FAULTS_ENABLED": "true",
            "ACCESS_LOG": "errors",
            # Only what a test asks for by a sampled traceparent is traced, and that everywhere.
            "TRACE_SAMPLE_RATIO": "0",
            "TRACE_EXPORT_INTERVAL_S": "0.2",
            "DRAIN_S": "0.3",
            **more,
        }
        super().__init__(folder, environment)
        self.traces = folder / "traces"
        self.payments = PaymentsStack(
            folder,
            payments_dsn=self.dsns["payments"],
            bank_dsn=self.dsns["bank"],
            redis_url=redis_url,
            kafka=kafka,
            **more,
        )
        self.smtp_port = free_port()
        self.orders: list[Process] = []
        self.named: dict[str, Process] = {}

    # --- starting and ending

    async def up(self, *, orders: int = 2) -> None:
        """Each answers /readyz when this returns; the topics are those of the declaration."""
        await declared_topics.apply(self.kafka, declared_topics.declared())
        await self._place_payments()
        await self._place_shortener()
        self._place_inventory()
        self.orders = [self.service("orders.main", "orders") for _ in range(orders)]
        self.named |= {"orders": self.orders[0], "orders-worker": self.service("orders.worker", "orders")}
        self._place_notifications()
        for process in self.everything:
            process.spawn()
        await asyncio.gather(*(process.ready() for process in self.everything))

    @property
    def everything(self) -> list[Process]:
        return [*self.payments.processes, *self.processes]

    def service(self, module: str, database: str, **more: str) -> Process:
        """One more process of a service, not yet started; its log and traces carry its own name."""
        role = module.rpartition(".")[2]
        name = database if role == "main" else f"{database}-{role}"
        trace = self.traces / f"{name}-{len(self.processes)}.jsonl"
        return self.add(
            module,
            DATABASE_URL=self.dsns[database],
            SERVICE_NAME=name,
            TRACE_FILE=str(trace),
            **more,
        )

    async def heal(self) -> None:
        """Wakes what is stalled, starts what is down, takes back every fault, gives up what is dead."""
        for process in self.everything:
            process.wake()
            if not process.running:
                process.spawn()
        await asyncio.gather(*(process.ready() for process in self.everything))
        await self.payments.fault(None)
        await self.mail_fault(None)
        await self.clear_faults()
        await self.redrive("discard")

    async def close(self) -> None:
        await asyncio.gather(super().close(), self.payments.close())

    async def _place_payments(self) -> None:
        """Its processes as PaymentsStack has them, with their traces; `orders` pays from its own account."""
        stack = self.payments
        stack.apis, stack.workers = [stack.add("payments.main")], [stack.add("payments.worker")]
        named = {"payments": stack.apis[0], "payments-worker": stack.workers[0], "bank": stack.bank}
        for name, process in named.items():
            process._environment |= {
                "SERVICE_NAME": name,
                "TRACE_FILE": str(self.traces / f"{name}.jsonl"),
                "TRACE_EXPORT_INTERVAL_S": "0.2",
                "PUBLIC_BASE_URL": stack.apis[0].url,
            }
        self.named |= named
        self.environment |= {
            "STRIPE_API_KEY": await stack.account(),
            "STRIPE_API_BASE": stack.apis[0].url,
        }

    async def _place_shortener(self) -> None:
        async with connected(self.dsns["shortener"]) as conn:
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
        self.named["shortener"] = self.service(
            "shortener.main",
            "shortener",
            SHORTENER_ID_KEY="a-permutation-key-of-the-tests",
            VISITOR_SALT_KEY="a-salt-key-of-the-tests",
        )

    def _place_inventory(self) -> None:
        self.environment |= {"INVENTORY_API_KEY": INVENTORY_KEY}
        self.named["inventory"] = self.service("inventory.main", "inventory")
        self.named["inventory-worker"] = self.service("inventory.worker", "inventory")
        self.environment |= {"INVENTORY_URL": self.named["inventory"].url}

    def _place_notifications(self) -> None:
        catcher = self.add(
            "notifications.catcher",
            SERVICE_NAME="mailcatcher",
            SMTP_PORT=str(self.smtp_port),
            MESSAGES_MAX="100000",
        )
        worker = self.service(
            "notifications.worker",
            "notifications",
            SMTP_HOST="127.0.0.1",
            SMTP_PORT=str(self.smtp_port),
            MAIL_FROM="shop@example.com",
            CUSTOMER_EMAIL_DOMAIN=MAIL_DOMAIN,
            SHORTENER_URL=self.named["shortener"].url,
            SHORTENER_API_KEY=SHORTENER_KEY,
            TRACKING_URL=TRACKING_URL,
            WEBHOOK_SECRET=WEBHOOK_SECRET,
        )
        self.named |= {"mailcatcher": catcher, "notifications-worker": worker}

    # --- what an operator asks

    def operator(self, process: Process | None = None) -> httpx.AsyncClient:
        """With the administrator's key; to the first orders process unless another is given."""
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        url = (process or self.orders[0]).url
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_S + 10)

    async def ask(self, method: str, path: str, *, process: Process | None = None, **more: Any) -> Any:
        """The document of an answer that must be a success."""
        async with self.operator(process) as operator:
            answer = await operator.request(method, path, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def reconcile(self) -> Json:
        """What GET /v1/admin/reconcile says: `ok` and its checks."""
        return dict(await self.ask("GET", "/v1/admin/reconcile"))

    async def dead_letters(self, **query: Any) -> list[Json]:
        """Every row that the filter takes, over all pages."""
        items: list[Json] = []
        while True:
            page = await self.ask("GET", "/v1/dead-letters", params={"limit": 100, **query})
            items += page["items"]
            if not page["next_cursor"]:
                return items
            query["cursor"] = page["next_cursor"]

    async def redrive(self, verb: str = "redrive", **body: Any) -> Json:
        """`filter`, `dry_run`, `rate`, `max`; gives run_id, matched, done."""
        return dict(await self.ask("POST", f"/v1/dead-letters/{verb}", json={"filter": {}, **body}))

    async def fault(self, group: str, event_type: str | None, error: str, **more: Any) -> None:
        """A consumer fails on purpose; `key` and `count` bound it."""
        body = {"group": group, "event_type": event_type, "error": error, **more}
        await self.ask("POST", "/v1/admin/faults", json=body)

    async def clear_faults(self) -> None:
        await self.ask("DELETE", "/v1/admin/faults")

    async def mails(self, **query: Any) -> list[Json]:
        """The newest mails that were caught, those `to` one address if it is given."""
        found = await self.ask("GET", "/messages", process=self.named["mailcatcher"], params=query)
        return list(found["items"])

    async def mails_count(self) -> int:
        """How many were caught since the catcher started."""
        return int((await self.ask("GET", "/messages", process=self.named["mailcatcher"]))["kept"])

    async def mail_fault(self, kind: str | None) -> None:
        """`refuse`, `busy` or `hang`; none takes it back."""
        catcher = self.named["mailcatcher"]
        if kind is None:
            await self.ask("DELETE", "/admin/faults", process=catcher)
        else:
            await self.ask("POST", "/admin/faults", process=catcher, json={"kind": kind})

    # --- tenants and tables

    async def tenant(self) -> tuple[str, str]:
        """A tenant of its own, never limited: its id and its key."""
        tenant, key = f"t-{uuid.uuid4().hex[:12]}", f"sk_orders_{uuid.uuid4().hex}"
        async with connected(self.dsns["orders"]) as conn, conn.transaction():
            await conn.execute(
                "INSERT INTO tenants (id, name, rate_per_s, burst) VALUES ($1, $1, 1e6, 1000000)", tenant
            )
            await conn.execute(
                "INSERT INTO api_keys (key_sha256, tenant_id) VALUES ($1, $2)", hash_key(key), tenant
            )
        return tenant, key

    async def fetch(self, database: str, sql: str, *arguments: Any) -> list[Any]:
        async with connected(self.dsns[database]) as conn:
            return list(await conn.fetch(sql, *arguments, timeout=TIMEOUT_S))

    async def fingerprints(
        self, databases: Sequence[str] = DATABASES, *, without: Iterable[str] = RESTLESS
    ) -> dict[str, str]:
        """`database.table` to a hash of all its rows, whatever their order."""
        prints: dict[str, str] = {}
        for database in databases:
            async with connected(self.dsns[database]) as conn:
                tables = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
                for table in {row["tablename"] for row in tables} - set(without):
                    prints[f"{database}.{table}"] = await conn.fetchval(_hash_of(table))
        return prints


def _hash_of(table: str) -> str:
    """A query: the number of rows, and a hash of all of them in an order that does not depend on the heap."""
    rows = f'SELECT md5(t::text) AS row FROM "{table}" AS t'  # noqa: S608 - the table's own name
    return f"SELECT count(*) || ':' || md5(string_agg(row, '' ORDER BY row)) FROM ({rows}) AS each"  # noqa: S608
