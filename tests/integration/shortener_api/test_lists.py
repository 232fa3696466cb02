"""Lists: order, cursors, search, tags."""

import base64

import httpx
import pytest

from tests.integration.shortener_api.served import URL, Served, create


async def everything(client: httpx.AsyncClient, **params: str | int) -> list[str]:
    slugs: list[str] = []
    cursor: str | None = None
    while True:
        answer = await client.get("/v1/links", params={**params, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        slugs += [link["slug"] for link in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return slugs


async def test_pages_are_newest_first_and_hold_every_link_once(api: httpx.AsyncClient) -> None:
    made = [(await create(api, slug=f"link-{number}"))["slug"] for number in range(25)]

    for limit in (1, 7, 25, 100):
        assert await everything(api, limit=limit) == made[::-1]


async def test_links_made_while_a_client_turns_pages_disturb_no_page(api: httpx.AsyncClient) -> None:
    made = [(await create(api, slug=f"old-{number}"))["slug"] for number in range(6)]
    first = (await api.get("/v1/links", params={"limit": 3})).json()
    await create(api, slug="newer")
    second = (await api.get("/v1/links", params={"limit": 3, "cursor": first["next_cursor"]})).json()

    assert [link["slug"] for link in first["items"] + second["items"]] == made[::-1]


async def test_search_finds_a_part_of_slug_url_or_title_in_any_case(api: httpx.AsyncClient) -> None:
    await create(api, slug="alpha-one", title="Quarterly Report")
    await create(api, slug="beta-two", url="https://shop.example.net/Sale")
    await create(api, slug="under_score")

    assert await everything(api, q="ALPHA") == ["alpha-one"]
    assert await everything(api, q="shop.example") == ["beta-two"]
    assert await everything(api, q="quarterly r") == ["alpha-one"]
    assert await everything(api, q="r_s") == ["under_score"]
    assert await everything(api, q="%") == []
    assert await everything(api, q="absent") == []


async def test_tags_are_matched_exactly_and_together_with_search(api: httpx.AsyncClient) -> None:
    await create(api, slug="both", tags=["mail", "spring"])
    await create(api, slug="mail-only", tags=["mail"])
    await create(api, slug="none-at-all")

    assert await everything(api, tag="mail") == ["mail-only", "both"]
    assert await everything(api, tag="mai") == []
    assert await everything(api, tag="mail", q="both") == ["both"]
    assert await everything(api, tag="mail", limit=1) == ["mail-only", "both"]


@pytest.mark.parametrize(
    "cursor", ["x", "", "a" * 33, base64.urlsafe_b64encode(b"\0" * 24).decode(), "%00", "ü" * 5]
)
async def test_a_cursor_that_we_did_not_make_is_refused(api: httpx.AsyncClient, cursor: str) -> None:
    answer = await api.get("/v1/links", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")


async def test_a_cursor_is_good_only_for_the_list_and_the_tenant_it_came_from(served: Served) -> None:
    one, two = served.client("one"), served.client("two")
    for number in range(3):
        await create(one, slug=f"of-one-{number}", tags=["a"])
    cursor = (await one.get("/v1/links", params={"limit": 1, "tag": "a"})).json()["next_cursor"]

    for client, params in (
        (one, {}),
        (one, {"tag": "b"}),
        (two, {"tag": "a"}),
        (one, {"tag": "a", "q": "of"}),
    ):
        answer = await client.get("/v1/links", params={"cursor": cursor, **params})
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"q": ""}, {"q": "a" * 101}, {"tag": "t" * 51}]
)
async def test_parameters_out_of_range_are_refused(api: httpx.AsyncClient, params: dict[str, str]) -> None:
    answer = await api.get("/v1/links", params=params)

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


async def test_deleted_links_are_in_no_list(api: httpx.AsyncClient) -> None:
    made = await create(api, slug="gone", tags=["t"])
    await api.delete(f"/v1/links/{made['id']}")

    for params in ({}, {"q": "gone"}, {"tag": "t"}):
        assert await everything(api, **params) == []
    assert (await create(api, url=URL, slug="gone"))["slug"] == "gone"
