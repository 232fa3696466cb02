"""Notifications in this process: real Postgres, a real mail server, a shortener that does as it is told."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
from chassis import postgres
from fastapi import FastAPI
from notifications.catcher.app import create_catcher
from notifications.catcher.faults import FaultKind
from notifications.catcher.settings import CatcherSettings
from notifications.domain.orders import Line, Notify, Order
from notifications.links import links_of
from notifications.mailer import mailer_of
from notifications.resources import Resources
from notifications.settings import NotificationsSettings
from notifications.usecases.deliveries import deliver
from notifications.webhooks import webhooks_of
from pydantic import SecretStr

from tests.integration.payments_webhooks.receiver import Got, Receiver, receiving

WEBHOOK_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
ADMIN_KEY = "admin-key-of-the-tests-0123456789"
SHORT_URL = "http://sho.rt/abc1234"
ADDRESS = "ann@example.com"


@dataclass
class Stage:
    """One worker's inside, with the mail server and the shortener that it talks to."""

    res: Resources
    catcher: FastAPI
    shortener: Receiver
    client: httpx.AsyncClient

    async def deliver(self, order: Order, *, event_id: str = "e1", redrives: int = 0) -> None:
        await deliver(self.res, order, event_id=event_id, redrives=redrives)

    def fail(self, kind: FaultKind | None) -> None:
        self.catcher.state.switch.kind = kind

    async def mails(self, to: str = ADDRESS) -> list[dict[str, Any]]:
        """Newest first."""
        answer = await self.client.get("/messages", params={"to": to})
        return list(answer.json()["items"])

    async def rows(self) -> list[dict[str, Any]]:
        """All deliveries, mails first."""
        async with self.res.db.acquire() as conn:
            rows = await conn.fetch(
                """
                SELECT event_id, channel, order_id, state, attempts, redrives, target, short_url, error,
                       sent_at IS NOT NULL AS has_time
                FROM deliveries ORDER BY event_id, channel
                """
            )
        return [dict(row) for row in rows]

    async def states(self) -> dict[str, str]:
        return {row["channel"]: row["state"] for row in await self.rows()}

    async def execute(self, statement: str) -> None:
        async with self.res.db.acquire() as conn:
            await conn.execute(statement)


def order_of(status: str = "completed", **changed: Any) -> Order:
    wanted: dict[str, Any] = {
        "order_id": "ord_" + uuid.uuid4().hex[:10],
        "tenant_id": "demo",
        "customer_id": "cus_1",
        "currency": "eur",
        "amount": 3_998,
        "lines": [Line("Mug", 2, 1_999, "mug")],
        "notify": Notify(ADDRESS),
        "version": 6,
        "at": "2026-11-21T10:00:00Z",
        **changed,
    }
    return msgspec.convert({**wanted, "status": status}, Order)


def settings_of(dsn: str, port: int, shortener_url: str, **changed: Any) -> NotificationsSettings:
    wanted: dict[str, Any] = {
        "database_url": dsn,
        "database_timeout_s": 30.0,
        "smtp_port": port,
        "mail_from": "The Shop <shop@example.com>",
        "tracking_url": "https://tracking.example.com/orders/{order_id}",
        "shortener_url": shortener_url,
        "shortener_api_key": "sb_test_of_the_notices",
        "webhook_secret": WEBHOOK_SECRET,
        "webhook_allowed_hosts": "127.0.0.1",
        **changed,
    }
    return NotificationsSettings(**wanted)


@asynccontextmanager
async def catching() -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    app = create_catcher(
        CatcherSettings(
            smtp_port=0, admin_api_key=SecretStr(ADMIN_KEY), access_log="errors", trace_sample_ratio=0.0
        )
    )
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://catcher",
        headers={"Authorization": f"Bearer {ADMIN_KEY}"},
    )
    async with app.router.lifespan_context(app), client:
        yield app, client


def _created(_got: Got) -> int:
    return 201


@asynccontextmanager
async def staged(dsn: str, **changed: Any) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        catcher, client = await enter(catching())
        shortener = await enter(
            receiving(status=_created, body=json.dumps({"short_url": SHORT_URL}).encode())
        )
        url = shortener.url.removesuffix("/hook")
        settings = settings_of(dsn, catcher.state.smtp_port, url, **changed)
        res = Resources(
            settings=settings,
            db=await enter(postgres.pool_of(settings)),
            mailer=await enter(mailer_of(settings)),
            links=await enter(links_of(settings)),
            webhooks=await enter(webhooks_of(settings)),
        )
        yield Stage(res, catcher, shortener, client)
