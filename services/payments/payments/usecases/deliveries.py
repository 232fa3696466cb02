"""The log of deliveries, and sending an event again by hand."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from chassis.postgres import Connection

from payments.dialect import lists
from payments.dialect.calls import Answer, Call
from payments.dialect.errors import InvalidRequest, ResourceMissing
from payments.dialect.lists import Page
from payments.domain.deliveries import Delivery, event_of, render
from payments.resources import Resources
from payments.store import deliveries as store
from payments.store import webhook_endpoints as endpoints
from payments.usecases import once, told_events
from payments.usecases.webhook_endpoints import NOUN as ENDPOINT

NOUN: Final = "webhook delivery"


async def of_endpoint(res: Resources, call: Call) -> dict[str, Any]:
    """A page, newest event first, each with its latest attempts."""
    page = lists.page_of(call)
    below, above = _events_of(page)
    async with res.db.acquire() as conn:
        if await endpoints.fetch(conn, call.account.id, call.id) is None:
            raise ResourceMissing(ENDPOINT, call.id)
        if page.backwards:
            rows = await store.of_endpoint_back(conn, call.id, above, page.fetch)
        else:
            rows = await store.of_endpoint(conn, call.id, below, page.fetch)
        rows = await _with_logs(res, conn, rows)
    return lists.rendered_page(f"/v1/webhook_endpoints/{call.id}/deliveries", rows, page, render)


async def of_event(res: Resources, call: Call) -> dict[str, Any]:
    """One an endpoint, so that a page holds them all."""
    page = lists.page_of(call)
    async with res.db.acquire() as conn:
        event = await told_events.found(conn, call)
        rows = await store.of_event(conn, event.account_id, event.id, lists.LIMIT_MAX)
        rows = await _with_logs(res, conn, rows)
    page = replace(page, limit=lists.LIMIT_MAX, backwards=False)
    return lists.rendered_page(f"/v1/events/{call.id}/deliveries", rows, page, render)


async def retry(res: Resources, call: Call) -> Answer:
    """Send an event to an endpoint again, or for the first time, whatever it asks for; gives the event.

    Retries start anew. Raises ResourceMissing, and InvalidRequest for an endpoint that is disabled.
    """

    async def work(conn: Connection) -> dict[str, Any]:
        event = await told_events.found(conn, call)
        name = call.params["webhook_endpoint"]
        endpoint = await endpoints.fetch(conn, call.account.id, name)
        if endpoint is None:
            raise ResourceMissing(ENDPOINT, name, "webhook_endpoint")
        if endpoint.status != "enabled":
            raise InvalidRequest(f"The webhook endpoint {name} is disabled.", "webhook_endpoint")
        now = res.clock.now()
        until = now + timedelta(seconds=res.settings.webhook_give_up_s)
        await store.resend(conn, endpoint.id, event, now, until)
        return await told_events.shown(conn, event)

    return await once.in_transaction(res, call, work)


async def _with_logs(res: Resources, conn: Connection, rows: list[Delivery]) -> list[Delivery]:
    if not rows:
        return rows
    logs = await store.log_of(
        conn,
        [row.endpoint_id for row in rows],
        [row.event_id for row in rows],
        res.settings.webhook_attempts_shown_max,
    )
    return [replace(row, log=logs.get((row.endpoint_id, row.event_id), ())) for row in rows]


def _events_of(page: Page) -> tuple[str, str]:
    """The page's bounds as events: a delivery's id begins with its event's. Raises ResourceMissing."""
    if not page.cursor:
        return page.below, page.above
    event = event_of(page.cursor)
    if event is None:
        raise ResourceMissing(NOUN, page.cursor, "ending_before" if page.backwards else "starting_after")
    return event, event
