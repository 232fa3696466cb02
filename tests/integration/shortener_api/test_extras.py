"""QR codes, the dry run of redirect rules, and an API whose servers are away."""

from pathlib import Path
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
from tests.support.databases import Databases, migrate
from tests.support.eventually import eventually
from tests.support.servers import Handle


@pytest.mark.parametrize(
    ("params", "media_type", "start"),
    [
        ({}, "image/svg+xml", b"<?xml"),
        ({"format": "svg", "border": 0, "ecc": "H"}, "image/svg+xml", b"<?xml"),
        ({"format": "png", "scale": 40, "border": 16}, "image/png", b"\x89PNG"),
    ],
)
async def test_a_link_has_a_qr_code(
    api: httpx.AsyncClient, params: dict[str, Any], media_type: str, start: bytes
) -> None:
    path = f"/v1/links/{(await create(api))['id']}/qr"
    answer = await api.get(path, params=params)

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.content.startswith(start)
    repeat = await api.get(path, params=params, headers={"If-None-Match": answer.headers["etag"]})
    assert repeat.status_code == 304


@pytest.mark.parametrize(
    "params", [{"scale": 41}, {"scale": 0}, {"border": 17}, {"ecc": "X"}, {"format": "gif"}]
)
async def test_a_qr_code_has_bounds(api: httpx.AsyncClient, params: dict[str, Any]) -> None:
    answer = await api.get(f"/v1/links/{(await create(api))['id']}/qr", params=params)

    assert answer.status_code == 422


async def test_a_dry_run_says_which_rule_decides_and_why(api: httpx.AsyncClient) -> None:
    made = await create(
        api,
        utm={"source": "news"},
        rules=[
            {"if": {"device": "mobile"}, "url": "https://m.example.com/"},
            {"if": {"language": ["de", "fr"]}, "url": "https://eu.example.com/"},
            {"if": {"time": {"from": "22:00", "to": "06:00"}}, "url": "https://night.example.com/"},
        ],
    )

    async def ask(**facts: str) -> dict[str, Any]:
        answer = await api.post(
            f"/v1/links/{made['id']}/resolve", json={"time": "2030-01-01T12:00:00Z", **facts}
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    assert (await ask(device="mobile"))["url"] == "https://m.example.com/?utm_source=news"
    assert (await ask(language="en, fr-CH;q=0.5"))["rule"] == 1
    assert (await ask(time="2030-01-01T23:00:00Z"))["rule"] == 2
    plain = await ask()
    assert (plain["status"], plain["rule"], plain["url"]) == (302, None, f"{URL}&utm_source=news")


async def test_a_dry_run_tells_of_links_that_lead_nowhere(served: Served, api: httpx.AsyncClient) -> None:
    async def status(link: dict[str, Any]) -> tuple[int, str]:
        answer = (
            await api.post(f"/v1/links/{link['id']}/resolve", json={"time": "2030-06-01T00:00:00Z"})
        ).json()
        return answer["status"], answer["reason"]

    assert await status(await create(api, since="2031-01-01T00:00:00Z")) == (404, "not yet valid")
    assert await status(await create(api, until="2030-01-01T00:00:00Z")) == (410, "expired")
    used = await create(api, max_visits=1)
    await served.value("UPDATE links SET visits_used = 1 WHERE max_visits = 1")
    assert await status(used) == (410, "used up")
    off = await create(api)
    await api.post(f"/v1/links/{off['id']}/disable")
    assert await status(off) == (410, "disabled")


async def test_one_visitor_stays_on_one_side_of_a_split(api: httpx.AsyncClient) -> None:
    sides = [{"url": "https://a.example/", "weight": 1}, {"url": "https://b.example/", "weight": 1}]
    path = f"/v1/links/{(await create(api, rules=[{'split': sides}]))['id']}/resolve"

    async def side(visitor: str) -> str:
        return str((await api.post(path, json={"visitor": visitor})).json()["url"])

    assert len({await side("ann") for _ in range(5)}) == 1
    assert {await side(f"visitor-{n}") for n in range(30)} == {"https://a.example/", "https://b.example/"}


async def test_without_redis_the_api_goes_on(own_redis: Handle, settings: ShortenerSettings) -> None:
    async with serving(settings_of(settings.database_url, own_redis.address)) as served:
        await put_test_tenants(served.pool)
        api = served.client()
        made = await create(api)
        own_redis.kill()

        assert (await create(api, slug="without"))["slug"] == "without"
        assert (await api.patch(f"/v1/links/{made['id']}", json={"title": "t"})).status_code == 200
        assert "ratelimit" in (await api.get("/v1/links")).headers


async def test_without_postgres_the_api_says_so_and_recovers(
    own_postgres: Handle, redis_url: str, tmp_path: Path
) -> None:
    dsn = Databases(own_postgres.address, tmp_path).create()
    migrate(dsn, "shortener")
    async with serving(settings_of(dsn, redis_url, database_timeout_s=1.0)) as served:
        await put_test_tenants(served.pool)
        api = served.client()
        made = await create(api)
        own_postgres.kill()

        for method, path, body in (
            ("POST", "/v1/links", {"url": URL}),
            ("GET", "/v1/links", None),
            ("GET", f"/v1/links/{made['id']}", None),
            ("POST", "/v1/links/bulk", {"mode": "each", "links": [{"url": URL}]}),
            ("POST", "/v1/links/import", {"url": URL}),
            ("GET", "/v1/links/export", None),
        ):
            answer = await api.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable"), path
            assert answer.headers["retry-after"] == "1"
        own_postgres.start()

        async def reads() -> bool:
            return (await api.get(f"/v1/links/{made['id']}")).status_code == 200

        await eventually(reads, timeout_s=30)
