"""Events by the API: snapshots of what happened, filtered and paged."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from payments.usecases import events
from payments.usecases.events import Draft

from tests.integration.payments_webhooks.receiver import receiving
from tests.integration.payments_webhooks.stage import Stage
from tests.support.payments import error_of


async def ids_of(api: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await api.get("/v1/events", params=params)
    assert answer.status_code == 200, answer.text
    return [event["id"] for event in answer.json()["data"]]


async def test_an_event_is_the_snapshot_that_was_recorded(api: httpx.AsyncClient, stage: Stage) -> None:
    name = await stage.event(
        "customer.updated", request_id="req_1", idempotency_key="k", previous_attributes={"name": "Zoe"}
    )
    event = (await api.get(f"/v1/events/{name}")).json()
    assert event == {
        "id": name, "object": "event", "api_version": "2026-10-28.endive", "created": event["created"],
        "data": {
            "object": {"id": "cus_1", "object": "customer", "name": "Zoë"},
            "previous_attributes": {"name": "Zoe"},
        },
        "livemode": False, "pending_webhooks": 0, "request": {"id": "req_1", "idempotency_key": "k"},
        "type": "customer.updated",
    }  # fmt: skip
    assert list(event["data"]["object"]) == ["id", "object", "name"]
    assert "previous_attributes" not in (await api.get(f"/v1/events/{await stage.event()}")).json()["data"]


async def test_a_list_is_newest_first_and_takes_types_and_groups(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    kinds = ["customer.created", "payment_method.attached", "customer.updated", "setup_intent.created"]
    made = {kind: await stage.event(kind) for kind in kinds}
    newest_first = [made[kind] for kind in reversed(kinds)]
    assert await ids_of(api) == newest_first
    assert await ids_of(api, type="customer.updated") == [made["customer.updated"]]
    assert await ids_of(api, type="customer.*") == [made["customer.updated"], made["customer.created"]]
    assert await ids_of(api, type="*") == newest_first
    assert await ids_of(api, type="charge.*") == await ids_of(api, type="no.such") == []
    several = {"types[]": ["customer.created", "setup_intent.created"]}
    assert await ids_of(api, **several) == [made["setup_intent.created"], made["customer.created"]]


async def test_pages_of_some_types_go_both_ways(api: httpx.AsyncClient, stage: Stage) -> None:
    made = [await stage.event(("customer.created", "customer.updated")[n % 2]) for n in range(8)]
    made.reverse()
    for types in ({}, {"type": "customer.*"}):
        assert await ids_of(api, limit=3, **types) == made[:3]
        assert await ids_of(api, limit=3, starting_after=made[2], **types) == made[3:6]
        assert await ids_of(api, limit=3, ending_before=made[6], **types) == made[3:6]
    assert await ids_of(api, type="customer.created", ending_before=made[0]) == []
    assert await ids_of(api, type="customer.created", limit=2) == [made[1], made[3]]
    assert await ids_of(api, type="customer.created", limit=2, ending_before=made[7]) == [made[3], made[5]]
    answer = await api.get("/v1/events", params={"limit": 3})
    assert answer.json()["has_more"] is True
    lost = await api.get("/v1/events", params={"starting_after": "evt_lost"})
    assert (lost.status_code, error_of(lost)["param"]) == (400, "starting_after")


async def test_a_list_is_cut_by_time(api: httpx.AsyncClient, stage: Stage) -> None:
    old = await stage.event()
    stage.clock.ahead += timedelta(days=1)
    new = await stage.event()
    since = int(stage.clock.now().timestamp()) - 3600
    assert await ids_of(api, **{"created[gte]": since}) == [new]
    assert await ids_of(api, **{"created[lt]": since}) == [old]
    assert await ids_of(api, type="customer.*", **{"created[lt]": since}) == [old]


async def test_type_and_types_exclude_each_other_and_types_are_20_at_most(api: httpx.AsyncClient) -> None:
    both = await api.get("/v1/events", params={"type": "customer.created", "types[]": "customer.updated"})
    many = await api.get("/v1/events", params={"types[]": [f"customer.{n}" for n in range(21)]})
    assert (both.status_code, many.status_code) == (400, 400)
    assert error_of(many)["param"] == "types"


async def test_delivery_success_tells_what_reached_everybody(api: httpx.AsyncClient, stage: Stage) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving() as good, receiving(status=500) as bad:
        await stage.endpoint(api, good.url, "customer.created", "customer.deleted")
        await stage.endpoint(api, bad.url, "customer.deleted")
        unheard, delivered, failing = [
            await stage.event(kind) for kind in ("customer.updated", "customer.created", "customer.deleted")
        ]
        pending = {
            name: (await api.get(f"/v1/events/{name}")).json()["pending_webhooks"]
            for name in (unheard, delivered, failing)
        }
        assert pending == {unheard: 0, delivered: 1, failing: 2}
        assert await ids_of(api, delivery_success="true") == []
        await stage.step(dispatcher)
    assert await ids_of(api, delivery_success="true") == [delivered, unheard]
    assert await ids_of(api, delivery_success="false") == [failing]
    assert await ids_of(api, delivery_success="false", type="customer.deleted") == [failing]
    assert (await api.get(f"/v1/events/{failing}")).json()["pending_webhooks"] == 1


async def test_another_account_sees_nothing(api: httpx.AsyncClient, stage: Stage) -> None:
    name = await stage.event()
    other = stage.served.client("two")
    made = await stage.endpoint(other, "https://example.com/")
    assert await ids_of(other) == []
    for path in (f"/v1/events/{name}", f"/v1/events/{name}/deliveries"):
        answer = await other.get(path)
        assert (answer.status_code, error_of(answer)["code"]) == (404, "resource_missing")
    data = {"webhook_endpoint": made["id"]}
    assert (await other.post(f"/v1/events/{name}/retry", data=data)).status_code == 404
    mixed = await api.post(f"/v1/events/{name}/retry", data=data)
    assert (mixed.status_code, error_of(mixed)["param"]) == (400, "webhook_endpoint")


async def test_an_event_goes_with_its_transaction(stage: Stage) -> None:
    draft = Draft(
        account_id="acct_one", type="customer.created", object={"id": "cus_1"}, at=stage.clock.now()
    )

    async def undone() -> None:
        async with stage.res.db.acquire() as conn, conn.transaction():
            await events.record_all(conn, [draft, draft])
            raise LookupError

    with pytest.raises(LookupError):
        await undone()
    assert await stage.served.value("SELECT count(*) FROM events") == 0
