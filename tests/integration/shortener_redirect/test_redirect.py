"""The redirect over HTTP: what each kind of link answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.shortener import Stack

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Mobile/15E148 Safari/604.1"


async def create(api: httpx.AsyncClient, **link: Any) -> dict[str, Any]:
    answer = await api.post("/v1/links", json={"url": "https://example.com/target", **link})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def test_a_link_redirects_from_every_tier_and_says_nothing_else(
    api: httpx.AsyncClient, other: httpx.AsyncClient, stack: Stack
) -> None:
    first, second = stack.processes
    series = [
        (first, 'shortener_redirects_total{status="302",tier="postgres"}'),
        (first, 'shortener_redirects_total{status="302",tier="l1"}'),
        (second, 'shortener_redirects_total{status="302",tier="redis"}'),
    ]
    before = [await process.metric(name) for process, name in series]
    link = await create(api, slug="hello-there")
    cold = await api.get("/hello-there", headers={"X-Request-Id": "mine-1"})

    async def held() -> bool:
        # The creation's own notice may come after the cold read and drop what that read put into L1.
        await api.get("/hello-there")
        return await first.metric(series[1][1]) > before[1]

    await eventually(held)
    warm = await api.get("/hello-there")
    shared = await other.get("/hello-there")
    for answer in (cold, warm, shared):
        assert answer.status_code == 302
        assert answer.headers["location"] == link["url"]
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.content == b""
    assert cold.headers["x-request-id"] == "mine-1"
    assert len(warm.headers["x-request-id"]) == 32
    after = [await process.metric(name) for process, name in series]
    from_postgres, from_l1, from_redis = (b - a for a, b in zip(before, after, strict=True))
    assert (from_postgres >= 1, from_l1 >= 2, from_redis) == (True, True, 1)


@pytest.mark.parametrize(
    ("status", "cache"),
    [(301, "public, max-age=300"), (307, "private, no-store"), (308, "public, max-age=300")],
)
async def test_a_permanent_redirect_may_be_kept_for_a_bounded_time(
    api: httpx.AsyncClient, status: int, cache: str
) -> None:
    await create(api, slug=f"permanent-{status}", status=status)
    answer = await api.get(f"/permanent-{status}")
    assert (answer.status_code, answer.headers["cache-control"]) == (status, cache)


async def test_what_is_no_link_yet_is_404_and_what_is_one_no_more_is_410(
    api: httpx.AsyncClient, stack: Stack
) -> None:
    now = datetime.now(UTC)
    await create(api, slug="not-yet", since=(now + timedelta(hours=1)).isoformat())
    deleted = await create(api, slug="deleted")
    disabled = await create(api, slug="disabled")
    await stack.insert_links(["expired"])
    async with stack.connected() as conn:
        await conn.execute("UPDATE links SET until = now() - interval '1 second' WHERE slug = 'expired'")
    assert (await api.get("/disabled")).status_code == 302
    await api.delete(f"/v1/links/{deleted['id']}")
    await api.post(f"/v1/links/{disabled['id']}/disable")
    statuses = {
        slug: (await api.get(f"/{slug}")).status_code
        for slug in ("unknown", "not-yet", "deleted", "disabled", "expired")
    }
    problem = await api.get("/unknown", headers={"X-Request-Id": "mine-2"})
    await api.post(f"/v1/links/{disabled['id']}/enable")
    assert (await api.get("/disabled")).status_code == 302
    assert statuses == {"unknown": 404, "not-yet": 404, "deleted": 404, "disabled": 410, "expired": 410}
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["code"] == "link_not_found"
    assert problem.json()["request_id"] == problem.headers["x-request-id"] == "mine-2"


async def test_a_link_begins_and_ends_by_the_clock_and_not_by_the_cache(api: httpx.AsyncClient) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1.0)
    await create(api, slug="begins", since=soon.isoformat())
    await create(api, slug="ends", until=soon.isoformat())
    assert (await api.get("/begins")).status_code == 404
    assert (await api.get("/ends")).status_code == 302

    async def turned() -> list[int]:
        return [(await api.get(slug)).status_code for slug in ("/begins", "/ends")]

    await eventually(turned, accept=lambda seen: seen == [302, 410])
    assert datetime.now(UTC) >= soon


async def test_rules_decide_and_campaign_parameters_are_appended(api: httpx.AsyncClient) -> None:
    rules = [
        {"if": {"device": ["mobile"]}, "url": "https://m.example.com/?a=1"},
        {"if": {"language": ["de"]}, "url": "https://example.de/"},
    ]
    await create(api, slug="ruled", rules=rules, utm={"source": "mail"})
    targets = [
        (await api.get("/ruled", headers=headers)).headers["location"]
        for headers in (
            {"User-Agent": PHONE},
            {"User-Agent": "Mozilla/5.0 Firefox/130.0", "Accept-Language": "fr, de-AT;q=0.8"},
            {"User-Agent": "Mozilla/5.0 Firefox/130.0", "Accept-Language": "fr"},
        )
    ]
    assert targets == [
        "https://m.example.com/?a=1&utm_source=mail",
        "https://example.de/?utm_source=mail",
        "https://example.com/target?utm_source=mail",
    ]


async def test_a_created_link_is_visible_at_once_to_those_who_asked_for_it_before(
    api: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    assert [(await a.get("/wanted")).status_code for a in (api, other)] == [404, 404]
    await create(api, slug="wanted")
    assert (await api.get("/wanted")).status_code == 302

    async def visible() -> bool:
        return (await other.get("/wanted")).status_code == 302

    await eventually(visible, timeout_s=1.0, interval_s=0.005)


async def test_reserved_and_longer_paths_belong_to_the_api(api: httpx.AsyncClient) -> None:
    assert (await api.get("/healthz")).status_code == 200
    assert (await api.get("/openapi.json")).json()["openapi"].startswith("3.")
    assert (await api.get("/v1/links")).status_code == 200
    assert (await api.get("/favicon.ico")).status_code == 404
    assert (await api.post("/some-slug")).status_code in {404, 405}


async def test_head_answers_like_get_and_counts_no_visit(api: httpx.AsyncClient) -> None:
    await create(api, slug="limited", max_visits=1)
    assert [(await api.head("/limited")).status_code for _ in range(3)] == [302, 302, 302]
    assert (await api.get("/limited")).status_code == 302
    assert (await api.get("/limited")).status_code == 410
    assert (await api.head("/limited")).status_code == 410
    assert (await api.head("/unknown-slug")).content == b""
