"""What tests of webhooks play with: the API, a clock, events at will, dispatchers that go step by step."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx
from chassis.egress import Resolver, resolve
from payments.clock import Clock
from payments.receivers import Receivers
from payments.resources import Resources
from payments.settings import PaymentsSettings
from payments.usecases import dispatch, events
from payments.usecases.events import Draft
from payments.usecases.webhook_endpoints import allowed_hosts
from payments.webhooks import Dispatcher

from tests.support.payments import Served, serving


class Ahead(Clock):
    """The machine's time and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


@dataclass
class Stage:
    served: Served
    res: Resources
    clock: Ahead
    stack: AsyncExitStack
    _made: int = field(default=0)

    async def dispatcher(self, resolver: Resolver = resolve, **settings: Any) -> Dispatcher:
        """One of any number, as it runs in a worker; tests move it by `step`."""
        changed = PaymentsSettings(**{**self.res.settings.model_dump(), **settings})
        res = replace(self.res, settings=changed)
        receivers = await self.stack.enter_async_context(
            Receivers(changed, allowed_hosts(changed), resolver=resolver)
        )
        return Dispatcher(res, receivers)

    async def endpoint(self, api: httpx.AsyncClient, url: str, *names: str, **more: str) -> dict[str, Any]:
        """A new endpoint with its secret; for all events unless some are named."""
        data: dict[str, Any] = {"url": url, "enabled_events[]": list(names) or ["*"], **more}
        answer = await api.post("/v1/webhook_endpoints", data=data)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def event(self, kind: str = "customer.created", account: str = "acct_one", **more: Any) -> str:
        """Record an event as a use case does; its id."""
        self._made += 1
        document = {"id": f"cus_{self._made}", "object": "customer", "name": "Zoë"}
        draft = Draft(account_id=account, type=kind, object=document, at=self.clock.now(), **more)
        async with self.res.db.acquire() as conn, conn.transaction():
            await events.record_all(conn, [draft])
            return str(await conn.fetchval("SELECT max(id) FROM events WHERE account_id = $1", account))

    async def step(self, dispatcher: Dispatcher) -> int:
        """Fan out, send what is due, wait for the answers; how many attempts were made."""
        await dispatch.fan_out(self.res)
        begun = await dispatcher.begin_due()
        await dispatcher.finish()
        return begun

    async def states(self) -> dict[str, str]:
        """Of each event's delivery, by the event's id."""
        async with self.res.db.acquire() as conn:
            rows = await conn.fetch("SELECT event_id, state FROM webhook_deliveries")
        return {row["event_id"]: row["state"] for row in rows}


@asynccontextmanager
async def staged(settings: PaymentsSettings) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(settings))
        clock = Ahead()
        yield Stage(served, replace(served.res, clock=clock), clock, stack)
