"""Reading what happened: single events, pages of them, and where each was delivered."""

from typing import Any, Final

from chassis.postgres import Connection

from payments.dialect import lists
from payments.dialect.calls import Call
from payments.dialect.errors import InvalidRequest, ResourceMissing
from payments.domain import event_types
from payments.domain.events import EventRow, render
from payments.resources import Resources
from payments.store import deliveries
from payments.store import events as store

NOUN: Final = "event"
URL: Final = "/v1/events"


async def retrieve(res: Resources, call: Call) -> dict[str, Any]:
    async with res.db.acquire() as conn:
        return await shown(conn, await found(conn, call))


async def list_all(res: Resources, call: Call) -> dict[str, Any]:
    """Raises InvalidRequest for both `type` and `types`."""
    page = lists.page_of(call)
    types = _types(call)
    wanted = store.Wanted(
        account_id=call.account.id,
        since=page.since,
        until=page.until,
        delivered=call.params.get("delivery_success"),
    )
    async with res.db.acquire() as conn:

        async def exists(event_id: str) -> bool:
            return await store.fetch(conn, call.account.id, event_id) is not None

        await lists.check_cursor(page, NOUN, exists)
        if types is None and page.backwards:
            rows = await store.page_back(conn, wanted, page.above, page.fetch)
        elif types is None:
            rows = await store.page(conn, wanted, page.below, page.fetch)
        elif page.backwards:
            rows = await store.page_typed_back(conn, wanted, types, page.above, page.fetch)
        else:
            rows = await store.page_typed(conn, wanted, types, page.below, page.fetch)
        documents = {document["id"]: document for document in await _rendered(conn, rows)}
    return lists.rendered_page(URL, rows, page, lambda row: documents[row.id])


async def found(conn: Connection, call: Call) -> EventRow:
    """The event of the address. Raises ResourceMissing."""
    event = await store.fetch(conn, call.account.id, call.id)
    if event is None:
        raise ResourceMissing(NOUN, call.id)
    return event


async def shown(conn: Connection, event: EventRow) -> dict[str, Any]:
    return (await _rendered(conn, [event]))[0]


def _types(call: Call) -> list[str] | None:
    """None: all of them."""
    one, several = call.params.get("type"), call.params.get("types")
    if one is not None and several is not None:
        raise InvalidRequest("You may only specify one of these parameters: type, types.", "types")
    if one is not None:
        return None if one == event_types.ALL else event_types.matching(one)
    return None if several is None else list(dict.fromkeys(several))


async def _rendered(conn: Connection, events: list[EventRow]) -> list[dict[str, Any]]:
    if not events:
        return []
    pending = await deliveries.pending(conn, events[0].account_id, [event.id for event in events])
    return [render(event, pending_webhooks=pending.get(event.id, 0)) for event in events]
