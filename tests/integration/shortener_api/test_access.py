"""Keys, tenants, rates and quotas."""

import asyncio
from typing import Any

import httpx
import pytest
from shortener.settings import ShortenerSettings

from tests.integration.shortener_api.served import (
    URL,
    Served,
    create,
    put_test_tenants,
    serving,
    settings_of,
)

ROUTES_OF_A_LINK: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "", None),
    ("PATCH", "", {"title": "stolen"}),
    ("DELETE", "", None),
    ("POST", "/disable", None),
    ("POST", "/enable", None),
    ("GET", "/qr", None),
    ("GET", "/stats", None),
    ("POST", "/resolve", {}),
]


async def test_every_route_of_a_link_hides_it_from_other_tenants(served: Served) -> None:
    one, two = served.client("one"), served.client("two")
    made = await create(one, slug="of-one", tags=["secret"])

    for method, path, body in ROUTES_OF_A_LINK:
        answer = await two.request(method, f"/v1/links/{made['id']}{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "link_not_found"), (method, path)
    for params in ({}, {"q": "of-one"}, {"tag": "secret"}, {"tag": "secret", "q": "of"}):
        assert (await two.get("/v1/links", params=params)).json()["items"] == []
    assert (await two.get("/v1/links/export")).content == b""
    assert (await two.get("/v1/quota")).json()["used"] == 0
    assert (await one.get(f"/v1/links/{made['id']}")).json() == made


def test_the_list_of_routes_is_complete(served: Served) -> None:
    paths = served.app.openapi()["paths"]
    known = {("/v1/links/{link_id}" + path, method.lower()) for method, path, _ in ROUTES_OF_A_LINK}

    assert {(p, m) for p in paths if p.startswith("/v1/links/{") for m in paths[p]} == known


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer nope", "Bearer two words", "Bearer \xfc"],
)
async def test_without_a_known_key_every_route_answers_401(served: Served, authorization: str | None) -> None:
    client = served.client(None)
    headers = [] if authorization is None else [(b"Authorization", authorization.encode("latin-1"))]
    for method, path in (
        ("POST", "/v1/links"),
        ("GET", "/v1/links"),
        ("POST", "/v1/links/bulk"),
        ("POST", "/v1/links/import"),
        ("GET", "/v1/links/export"),
        ("GET", "/v1/quota"),
        ("GET", "/v1/stats"),
        ("GET", "/v1/admin/reports"),
    ):
        answer = await client.request(method, path, headers=headers)
        wanted = {401, 403} if path.startswith("/v1/admin") else {401}
        assert answer.status_code in wanted, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_tenant_key_opens_no_operator_route_and_the_operator_key_no_tenant_route(
    served: Served,
) -> None:
    made = await create(served.client())
    path = f"/v1/admin/links/{made['id']}/takedown"

    assert (await served.client().post(path, json={"reason": "x"})).status_code == 403
    assert (await served.operator().get("/v1/links")).status_code == 401


async def test_a_tenant_above_its_rate_is_told_when_to_come_again(served: Served) -> None:
    small = served.client("small")

    answers = [await small.get("/v1/links") for _ in range(11)]

    assert [answer.status_code for answer in answers[:10]] == [200] * 10
    assert all(answer.headers["ratelimit-policy"].count('"tenant";q=10') for answer in answers)
    assert answers[0].headers["ratelimit"].startswith('"tenant";r=9')
    refused = answers[10]
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) >= 1


async def test_errors_carry_the_limits_too(api: httpx.AsyncClient) -> None:
    for answer in (
        await api.get("/v1/links/nothing"),
        await api.post("/v1/links", json={}),
        await api.get("/v1/links", headers={"Authorization": "Bearer unknown"}),
    ):
        assert answer.status_code in {401, 404, 422}
        assert "ratelimit" in answer.headers


async def test_a_bulk_costs_one_request_of_the_rate(served: Served) -> None:
    links = [{"url": URL}] * 50
    answer = await served.client("small").post("/v1/links/bulk", json={"mode": "each", "links": links})

    assert answer.status_code == 200
    assert answer.headers["ratelimit"].startswith('"tenant";r=9')


async def test_one_address_has_one_rate_whoever_it_says_it_is(settings: ShortenerSettings) -> None:
    strict = settings_of(settings.database_url, settings.redis_url, ip_rate_per_s=0.1, ip_burst=3)
    async with serving(strict) as served:
        await put_test_tenants(served.pool)
        answers = [await served.client(name).get("/v1/quota") for name in ("one", "two", "one", "two")]
        elsewhere = await served.client("one", address="192.0.2.2").get("/v1/quota")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert elsewhere.status_code == 200


async def test_the_monthly_quota_is_exact_under_concurrency(settings: ShortenerSettings) -> None:
    async with serving(settings) as a, serving(settings) as b:
        await put_test_tenants(a.pool)
        clients = [a.client("hundred"), b.client("hundred")]
        answers = await asyncio.gather(
            *(clients[n % 2].post("/v1/links", json={"url": URL}) for n in range(140)),
            *(
                clients[n % 2].post("/v1/links/bulk", json={"mode": "each", "links": [{"url": URL}] * 3})
                for n in range(4)
            ),
        )
        state = (await clients[0].get("/v1/quota")).json()
        rows = await a.value("SELECT count(*) FROM links WHERE tenant_id = 'hundred'")

    refused = [answer for answer in answers if answer.status_code == 429]
    assert rows == 100
    assert (state["used"], state["remaining"], state["limit"]) == (100, 0, 100)
    assert {answer.json()["code"] for answer in refused} == {"quota_exceeded"}
    assert int(refused[0].headers["retry-after"]) > 0


async def test_a_bulk_beyond_the_quota_is_cut_or_refused_by_its_mode(served: Served) -> None:
    client = served.client("hundred")
    body = {"links": [{"url": URL, "tags": [str(n)]} for n in range(130)]}

    atomic = await client.post("/v1/links/bulk", json={"mode": "atomic", **body})
    assert (atomic.status_code, atomic.json()["code"]) == (429, "quota_exceeded")
    assert (await client.get("/v1/quota")).json()["used"] == 0

    each = await client.post("/v1/links/bulk", json={"mode": "each", **body})
    codes = [item["problem"]["code"] if "problem" in item else None for item in each.json()["items"]]
    assert codes == [None] * 100 + ["quota_exceeded"] * 30
    assert await served.value("SELECT count(*) FROM links") == 100


async def test_deleting_a_link_gives_no_quota_back(api: httpx.AsyncClient) -> None:
    made = await create(api)
    await api.delete(f"/v1/links/{made['id']}")

    assert (await api.get("/v1/quota")).json()["used"] == 1
