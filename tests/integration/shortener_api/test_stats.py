"""Statistics of a link and of a tenant, from what the consumer counted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from shortener.events import Click
from shortener.usecases.clicks import apply_clicks

from tests.integration.shortener_api.served import Served, create

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)


def click(link: dict[str, Any], at: datetime, **fields: Any) -> Click:
    known = {"link_id": link["id"], "tenant_id": "one", "at": int(at.timestamp() * 1000)}
    return Click(**{"visitor": "00" * 8, **known, **fields})


async def count(served: Served, *clicks: Click) -> None:
    async with served.pool.acquire() as conn, conn.transaction():
        await apply_clicks(conn, {f"event-{id(clicks)}": clicks}, values_max=100)


async def test_a_link_that_nobody_followed_has_zeros(api: httpx.AsyncClient) -> None:
    stats = (await api.get(f"/v1/links/{(await create(api))['id']}/stats")).json()

    assert (stats["clicks"], stats["bot_clicks"], stats["unique_visitors"], stats["series"]) == (0, 0, 0, [])


async def test_people_and_bots_are_told_apart_and_counted_by_where_they_came_from(
    served: Served, api: httpx.AsyncClient
) -> None:
    link = await create(api, slug="counted")
    await count(
        served,
        click(link, NOON, browser="firefox", referrer="a.example", country="DE", visitor="01" * 8),
        click(link, NOON, browser="firefox", referrer="a.example", visitor="01" * 8),
        click(link, NOON + timedelta(days=1), browser="chrome", device="mobile", visitor="02" * 8),
        click(link, NOON, bot=True, visitor=None),
    )

    stats = (await api.get(f"/v1/links/{link['id']}/stats")).json()
    hours = (await api.get(f"/v1/links/{link['id']}/stats", params={"step": "hour"})).json()
    total = (await api.get("/v1/stats")).json()

    assert (stats["clicks"], stats["bot_clicks"], stats["unique_visitors"]) == (3, 1, 2)
    assert [(point["clicks"], point["bot_clicks"]) for point in stats["series"]] == [(2, 1), (1, 0)]
    assert stats["browsers"] == [{"value": "firefox", "clicks": 2}, {"value": "chrome", "clicks": 1}]
    assert {"value": "a.example", "clicks": 2} in stats["referrers"]
    assert stats["countries"] == [{"value": "DE", "clicks": 1}]
    assert hours["series"][0]["at"] == NOON.isoformat().replace("+00:00", "Z")
    assert (total["clicks"], total["bot_clicks"]) == (3, 1)
    assert [(one["slug"], one["clicks"]) for one in total["links"]] == [("counted", 3)]


async def test_a_span_leaves_out_what_lies_beside_it(served: Served, api: httpx.AsyncClient) -> None:
    link = await create(api)
    await count(served, click(link, NOON), click(link, NOON + timedelta(days=1), visitor="05" * 8))
    midnight = (NOON + timedelta(hours=12)).isoformat()

    before = (await api.get(f"/v1/links/{link['id']}/stats", params={"until": midnight})).json()
    after = (await api.get(f"/v1/links/{link['id']}/stats", params={"since": midnight})).json()

    assert (before["clicks"], before["unique_visitors"]) == (1, 1)
    assert (after["clicks"], after["unique_visitors"]) == (1, 1)


async def test_the_clicks_of_one_tenant_are_none_of_another(served: Served) -> None:
    link = await create(served.client("one"))
    await count(served, click(link, NOON))
    two = served.client("two")

    assert (await two.get(f"/v1/links/{link['id']}/stats")).status_code == 404
    assert (await two.get("/v1/stats")).json()["clicks"] == 0


@pytest.mark.parametrize(
    "params",
    [
        {"step": "minute"},
        {"since": "yesterday"},
        {"since": "2030-01-02T00:00:00Z", "until": "2030-01-01T00:00:00Z"},
        {"step": "hour", "since": "2020-01-01T00:00:00Z", "until": "2020-03-01T00:00:00Z"},
        {"until": "0001-01-02T00:00:00Z"},
    ],
)
async def test_a_span_that_is_none_is_refused(api: httpx.AsyncClient, params: dict[str, str]) -> None:
    answer = await api.get("/v1/stats", params=params)

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
