"""Abuse reports, takedown and restore."""

from uuid import uuid4

import httpx

from tests.integration.shortener_api.served import Served, create


async def report(client: httpx.AsyncClient, slug: str, **fields: str) -> httpx.Response:
    return await client.post("/v1/reports", json={"slug": slug, "reason": "phishing", **fields})


async def test_anyone_may_report_a_link_and_the_operator_takes_it_down(served: Served) -> None:
    made = await create(served.client(), slug="evil")
    operator = served.operator()

    receipt = await report(served.client(None), "evil", comment="It asks for card numbers.")
    assert receipt.status_code == 201
    assert set(receipt.json()) == {"id", "slug", "state", "created_at"}

    listed = (await operator.get("/v1/admin/reports", params={"state": "open"})).json()["items"]
    assert [(one["slug"], one["reason"]) for one in listed] == [("evil", "phishing")]
    path = f"/v1/admin/reports/{listed[0]['id']}/resolve"
    upheld = await operator.post(path, json={"decision": "takedown"})
    assert upheld.json()["state"] == "upheld"
    assert (await operator.post(path, json={"decision": "dismiss"})).json()["code"] == "report_resolved"

    seen = (await served.client().get(f"/v1/links/{made['id']}")).json()
    assert (seen["state"], seen["state_reason"], seen["version"]) == ("taken_down", "abuse: phishing", 2)
    assert [change.slug for change in served.told.changes] == ["evil", "evil"]


async def test_a_tenant_can_neither_enable_nor_free_what_was_taken_down(
    served: Served, api: httpx.AsyncClient
) -> None:
    made = await create(api, slug="down")
    path = f"/v1/links/{made['id']}"
    taken = await served.operator().post("/v1/admin/links/down/takedown", json={"reason": "malware"})
    assert taken.json()["state"] == "taken_down"

    for action in ("enable", "disable"):
        assert (await api.post(f"{path}/{action}")).json()["code"] == "link_taken_down"
    assert (await api.delete(path)).status_code == 204
    answer = await api.post("/v1/links", json={"url": "https://example.com", "slug": "down"})
    assert answer.json()["code"] == "slug_taken"


async def test_a_takedown_can_be_undone(served: Served, api: httpx.AsyncClient) -> None:
    made = await create(api)
    path = f"/v1/admin/links/{made['id']}"
    operator = served.operator()

    await operator.post(f"{path}/takedown", json={"reason": "mistake"})
    restored = await operator.post(f"{path}/restore")
    again = await operator.post(f"{path}/restore")

    assert (restored.json()["state"], restored.json()["version"]) == ("active", 3)
    assert again.json() == restored.json()


async def test_restoring_does_not_switch_on_what_its_tenant_switched_off(
    served: Served, api: httpx.AsyncClient
) -> None:
    made = await create(api)
    await api.post(f"/v1/links/{made['id']}/disable")

    restored = await served.operator().post(f"/v1/admin/links/{made['id']}/restore")

    assert restored.json()["state"] == "disabled"


async def test_what_is_not_there_cannot_be_reported_or_taken_down(served: Served) -> None:
    operator = served.operator()

    for slug in ("nothing", "no slug at all!"):
        assert (await report(served.client(None), slug)).json()["code"] == "link_not_found"
    for link in ("nothing", str(uuid4()), "~x"):
        answer = await operator.post(f"/v1/admin/links/{link}/takedown", json={"reason": "x"})
        assert answer.json()["code"] == "link_not_found"
    for report_id in (str(uuid4()), "x"):
        answer = await operator.post(f"/v1/admin/reports/{report_id}/resolve", json={"decision": "dismiss"})
        assert answer.json()["code"] == "report_not_found"


async def test_reports_of_one_address_are_few(served: Served) -> None:
    await create(served.client(), slug="flooded")
    nobody = served.client(None)

    answers = [await report(nobody, "flooded") for _ in range(11)]

    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    assert (await report(served.client(None, address="192.0.2.9"), "flooded")).status_code == 201


async def test_a_report_sent_twice_with_one_key_is_one_report(served: Served) -> None:
    await create(served.client(), slug="once")
    nobody, headers = served.client(None), {"Idempotency-Key": "r1"}
    body = {"slug": "once", "reason": "spam"}

    first = await nobody.post("/v1/reports", json=body, headers=headers)
    again = await nobody.post("/v1/reports", json=body, headers=headers)

    assert (again.status_code, again.content) == (201, first.content)
    assert await served.value("SELECT count(*) FROM abuse_reports") == 1


async def test_reports_are_listed_in_pages(served: Served) -> None:
    await create(served.client(), slug="often")
    made = [(await report(served.client(None), "often")).json()["id"] for _ in range(5)]
    operator = served.operator()

    first = (await operator.get("/v1/admin/reports", params={"limit": 3})).json()
    second = (
        await operator.get("/v1/admin/reports", params={"limit": 3, "cursor": first["next_cursor"]})
    ).json()

    assert [one["id"] for one in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None
