"""Webhook endpoints by the API."""

import asyncio
from typing import Any

import httpx

from tests.integration.payments_webhooks.stage import Stage
from tests.support.payments import error_of

URL = "https://hooks.example.com/in"


async def test_the_secret_is_told_once_when_the_endpoint_is_made(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    made = await stage.endpoint(
        api,
        URL,
        "charge.succeeded",
        "charge.failed",
        "charge.succeeded",
        description="d",
        **{"metadata[a]": "b"},
    )
    assert made.pop("secret").startswith("whsec_")
    assert made == {
        "id": made["id"], "object": "webhook_endpoint", "api_version": None, "application": None,
        "created": made["created"], "description": "d",
        "enabled_events": ["charge.succeeded", "charge.failed"],
        "livemode": False, "metadata": {"a": "b"}, "status": "enabled", "url": URL,
    }  # fmt: skip
    assert (await api.get(f"/v1/webhook_endpoints/{made['id']}")).json() == made
    assert (await api.get("/v1/webhook_endpoints")).json()["data"] == [made]


async def test_an_update_changes_what_it_names(api: httpx.AsyncClient, stage: Stage) -> None:
    made = await stage.endpoint(api, URL, description="d", **{"metadata[a]": "1", "metadata[b]": "2"})
    path = f"/v1/webhook_endpoints/{made['id']}"
    changed = await api.post(
        path, data={"metadata[a]": "", "metadata[c]": "3", "description": "", "disabled": "true"}
    )
    assert changed.json()["metadata"] == {"b": "2", "c": "3"}
    assert changed.json()["description"] is None
    assert changed.json()["status"] == "disabled"
    moved = await api.post(
        path, data={"url": "https://other.example.com/", "enabled_events[0]": "*", "disabled": "false"}
    )
    assert (moved.json()["url"], moved.json()["status"]) == ("https://other.example.com/", "enabled")
    assert "secret" not in moved.json()
    assert (await api.get(path)).json() == moved.json()


async def test_a_deleted_endpoint_is_gone(api: httpx.AsyncClient, stage: Stage) -> None:
    made = await stage.endpoint(api, URL)
    path = f"/v1/webhook_endpoints/{made['id']}"
    assert (await api.delete(path)).json() == {
        "id": made["id"],
        "object": "webhook_endpoint",
        "deleted": True,
    }
    for answer in (await api.get(path), await api.delete(path), await api.post(path, data={"url": URL})):
        assert answer.status_code == 404
        assert error_of(answer)["code"] == "resource_missing"
    assert await stage.served.value("SELECT secret FROM webhook_endpoints") == ""


INSIDE = [
    "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data", "http://2130706433/", "http://0x7f.1/",
    "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::808:808]/", "http://a:b@example.com/", "ftp://example.com/",
    "http://metadata/", "nonsense", "https://127.0.0.2/",
]  # fmt: skip


async def test_an_address_inside_is_refused_when_made_and_when_moved(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    made = await stage.endpoint(api, URL)
    for url in INSIDE:
        refused = await api.post("/v1/webhook_endpoints", data={"url": url, "enabled_events[]": "*"})
        moved = await api.post(f"/v1/webhook_endpoints/{made['id']}", data={"url": url})
        for answer in (refused, moved):
            assert answer.status_code == 400, url
            assert (error_of(answer)["param"], error_of(answer)["code"]) == ("url", "url_invalid")
            assert error_of(answer)["type"] == "invalid_request_error"


WRONG = [
    ({"url": URL}, "enabled_events"),
    ({"enabled_events[]": "*"}, "url"),
    ({"url": URL, "enabled_events[]": "no.such_event"}, "enabled_events[0]"),
    ({"url": URL, "enabled_events[0]": "*", "enabled_events[1]": "charge.*"}, "enabled_events[1]"),
    ({"url": URL, "enabled_events": ""}, "enabled_events"),
    ({"url": URL, "enabled_events[]": "*", "api_version": "2001-01-01"}, "api_version"),
    ({"url": URL, "enabled_events[]": "*", "connect": "true"}, "connect"),
    ({"url": URL, "enabled_events[]": "*", "nonsense": "1"}, "nonsense"),
]


async def test_what_is_missing_or_wrong_is_named(api: httpx.AsyncClient) -> None:
    for data, param in WRONG:
        answer = await api.post("/v1/webhook_endpoints", data=data)
        assert answer.status_code == 400
        assert error_of(answer)["param"] == param


async def test_an_account_has_at_most_16_also_when_they_are_made_at_once(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    data: dict[str, Any] = {"url": URL, "enabled_events[]": "*"}
    answers = await asyncio.gather(*(api.post("/v1/webhook_endpoints", data=data) for _ in range(24)))
    assert sorted(answer.status_code for answer in answers) == [200] * 16 + [400] * 8
    page = (await api.get("/v1/webhook_endpoints", params={"limit": 100})).json()
    assert len(page["data"]) == 16
    # Another account has its own 16, and a deletion makes room.
    await stage.endpoint(stage.served.client("two"), URL)
    await api.delete(f"/v1/webhook_endpoints/{page['data'][0]['id']}")
    await stage.endpoint(api, URL)


async def test_pages_go_both_ways(api: httpx.AsyncClient, stage: Stage) -> None:
    ids = [(await stage.endpoint(api, URL))["id"] for _ in range(5)][::-1]
    first = (await api.get("/v1/webhook_endpoints", params={"limit": 2})).json()
    assert ([one["id"] for one in first["data"]], first["has_more"]) == (ids[:2], True)
    assert first["url"] == "/v1/webhook_endpoints"
    rest = (await api.get("/v1/webhook_endpoints", params={"starting_after": ids[1]})).json()
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (ids[2:], False)
    back = (await api.get("/v1/webhook_endpoints", params={"ending_before": ids[3], "limit": 2})).json()
    assert ([one["id"] for one in back["data"]], back["has_more"]) == (ids[1:3], True)
    lost = await api.get("/v1/webhook_endpoints", params={"starting_after": "we_lost"})
    assert (lost.status_code, error_of(lost)["param"]) == (400, "starting_after")


async def test_another_account_sees_and_changes_nothing(api: httpx.AsyncClient, stage: Stage) -> None:
    made = await stage.endpoint(api, URL)
    other, path = stage.served.client("two"), f"/v1/webhook_endpoints/{made['id']}"
    answers = [
        await other.get(path),
        await other.post(path, data={"disabled": "true"}),
        await other.delete(path),
        await other.post(f"{path}/rotate_secret"),
        await other.get(f"{path}/deliveries"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert (await other.get("/v1/webhook_endpoints")).json()["data"] == []
    assert (await api.get(path)).json()["status"] == "enabled"


async def test_a_repeated_create_makes_one_endpoint_and_tells_its_secret_again(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    data, headers = {"url": URL, "enabled_events[]": "*"}, {"Idempotency-Key": "k"}
    first, again = [await api.post("/v1/webhook_endpoints", data=data, headers=headers) for _ in range(2)]
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    assert await stage.served.value("SELECT count(*) FROM webhook_endpoints") == 1


async def test_a_refused_url_leaves_the_key_free(api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    refused = await api.post(
        "/v1/webhook_endpoints", data={"url": "http://10.0.0.1/", "enabled_events[]": "*"}, headers=headers
    )
    taken = await api.post(
        "/v1/webhook_endpoints", data={"url": URL, "enabled_events[]": "*"}, headers=headers
    )
    assert (refused.status_code, taken.status_code) == (400, 200)


async def test_a_rotation_gives_a_new_secret_and_an_overlap_of_a_week_at_most(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    made = await stage.endpoint(api, URL)
    path = f"/v1/webhook_endpoints/{made['id']}/rotate_secret"
    rotated = (await api.post(path)).json()
    assert rotated["secret"] != made["secret"]
    assert {**made, "secret": ""} == {**rotated, "secret": ""}
    assert (await api.post(path, data={"expires_in": "604800"})).status_code == 200
    for wrong in ("604801", "-1", "soon"):
        answer = await api.post(path, data={"expires_in": wrong})
        assert (answer.status_code, error_of(answer)["param"]) == (400, "expires_in")
