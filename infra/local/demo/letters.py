"""How the demo makes consumers fail on purpose: a key that waits, a dead letter, its redrive and its mail."""

import uuid
from typing import Any

from infra.local.demo.orders import OrderStory, Shop, eventually, timeline_of


async def stumble(shop: Shop, story: OrderStory) -> None:
    """Inventory fails three times over one order: its key is parked and tried again, nobody else waits."""
    fault = {"group": "inventory", "event_type": "orders.stock-reservation-requested.v1"}
    await shop.operate(
        "inject a fault", "POST", "/v1/admin/faults", json={**fault, "error": "transient", "count": 3}
    )
    try:
        placed = await shop.place(story.sku("mug"), story.customer("patient"))
        order = await shop.ended(placed["id"])
    finally:
        await shop.operate("clear the faults", "DELETE", "/v1/admin/faults")
    story.check(
        "an order whose reservation fails three times completes by itself",
        order["status"] == "completed",
        timeline_of(order),
    )


async def redrive(shop: Shop, story: OrderStory) -> None:
    """A notice fails for good: a dead letter, shown, redriven, and then the mail with its tracking link."""
    customer, trace_id = story.customer("ada"), uuid.uuid4().hex
    fault = {
        "group": "notifications",
        "event_type": "orders.order-completed.v1",
        "error": "permanent",
        "count": 1,
    }
    await shop.operate("inject a fault", "POST", "/v1/admin/faults", json=fault)
    try:
        order = await shop.ended((await shop.place(story.sku("mug"), customer, trace_id=trace_id))["id"])
        letter = await _letter(shop, order["id"], "dead")
    finally:
        await shop.operate("clear the faults", "DELETE", "/v1/admin/faults")
    whole = await shop.operate("show a dead letter", "GET", f"/v1/dead-letters/{letter['id']}")
    story.check(
        "a notice that fails for good is a dead letter that tells why, and its trace",
        letter["event_type"] == fault["event_type"]
        and letter["trace_id"] == trace_id
        and whole["decoded"] is not None,
        f"{letter['error_class']} after {letter['attempts']} attempt; make trace ID={trace_id}",
    )

    wanted = {"filter": {"group": "notifications", "key": order["id"]}}
    dry = await shop.operate(
        "redrive, dry run", "POST", "/v1/dead-letters/redrive", json={**wanted, "dry_run": True}
    )
    done = await shop.operate("redrive", "POST", "/v1/dead-letters/redrive", json=wanted)
    after = await _letter(shop, order["id"], "resolved")
    story.check(
        "a dry run touches nothing, a redrive resolves the letter",
        (dry["matched"], dry["done"], done["matched"], done["done"]) == (1, 0, 1, 1),
        f"{dry['matched']} matched, {dry['done']} done; then {done['done']} done ({after['redrives']})",
    )
    await _read_mail(shop, story, order["id"], customer)


async def _letter(shop: Shop, key: str, state: str) -> Any:
    async def look() -> Any:
        names = {"group": "notifications", "key": key, "state": state}
        found = await shop.operate("list dead letters", "GET", "/v1/dead-letters", params=names)
        return found["items"][0] if found["items"] else None

    return await eventually(f"a {state} letter of {key}", look)


async def _read_mail(shop: Shop, story: OrderStory, order_id: str, customer: str) -> None:
    address = f"{customer}@customers.example.com"

    async def look() -> list[Any] | None:
        answer = await shop.mailbox.get("/messages", params={"to": address})
        return answer.raise_for_status().json()["items"] or None

    mails = await eventually(f"a mail to {address}", look)
    start = str(shop.visitor.base_url).rstrip("/")
    links = [word for word in (mails[0]["text"] or "").split() if word.startswith(start)]
    target = ""
    if links:
        target = (await shop.visitor.get(links[0])).headers.get("location", "")
    story.check(
        "the customer has one mail, whose tracking link the shortener made",
        len(mails) == 1 and order_id in target,
        f"{len(mails)} mail: {mails[0]['subject']!r}, {' '.join(links)} to {target}",
    )
