"""Pages, newest first, and expansion."""

from typing import Any

import httpx
import pytest

from tests.support.payments import Served, error_of


async def create(api: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    answer = await api.post("/v1/quick_notes", data=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def page(api: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    answer = await api.get("/v1/notes", params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def texts(listed: dict[str, Any]) -> list[str]:
    return [item["text"] for item in listed["data"]]


async def test_a_list_is_newest_first_with_ten_by_default(api: httpx.AsyncClient) -> None:
    for n in range(12):
        await create(api, text=str(n))

    listed = await page(api)

    assert (listed["object"], listed["url"], listed["has_more"]) == ("list", "/v1/notes", True)
    assert texts(listed) == [str(n) for n in range(11, 1, -1)]


async def test_pages_forward_and_back_hold_every_object_once(api: httpx.AsyncClient) -> None:
    made = [(await create(api, text=str(n)))["id"] for n in range(7)]
    newest_first = made[::-1]

    forward: list[str] = []
    listed = await page(api, limit=3)
    while True:
        forward += [item["id"] for item in listed["data"]]
        if not listed["has_more"]:
            break
        listed = await page(api, limit=3, starting_after=forward[-1])
    assert forward == newest_first

    back = await page(api, limit=3, ending_before=newest_first[5])
    assert [item["id"] for item in back["data"]] == newest_first[2:5]
    assert back["has_more"]
    rest = await page(api, limit=3, ending_before=newest_first[2])
    assert ([item["id"] for item in rest["data"]], rest["has_more"]) == (newest_first[:2], False)


async def test_an_empty_page_is_a_list_too(api: httpx.AsyncClient) -> None:
    assert await page(api) == {"object": "list", "url": "/v1/notes", "has_more": False, "data": []}
    only = await create(api)
    assert (await page(api, starting_after=only["id"]))["data"] == []


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"limit": "0"}, "limit", "parameter_invalid_integer"),
        ({"limit": "101"}, "limit", "parameter_invalid_integer"),
        ({"limit": "-1"}, "limit", "parameter_invalid_integer"),
        ({"limit": "x"}, "limit", "parameter_invalid_integer"),
        ({"limit": ""}, "limit", "parameter_invalid_empty"),
        ({"starting_after": "note_none"}, "starting_after", "resource_missing"),
        ({"ending_before": "note_none"}, "ending_before", "resource_missing"),
        ({"starting_after": "a", "ending_before": "b"}, None, "parameters_exclusive"),
        ({"created": "yesterday"}, "created", None),
        ({"created[gte]": "x"}, "created[gte]", None),
        ({"created[eq]": "1"}, "created[eq]", "parameter_unknown"),
    ],
)
async def test_what_is_no_page_is_refused(
    api: httpx.AsyncClient, params: dict[str, str], param: str | None, code: str | None
) -> None:
    answer = await api.get("/v1/notes", params=params)
    assert answer.status_code == 400
    assert (error_of(answer).get("param"), error_of(answer).get("code")) == (param, code)


async def test_created_bounds_a_list(served: Served, api: httpx.AsyncClient) -> None:
    for second in range(1_000, 1_005):
        note = await create(api, text=str(second))
        await served.value("UPDATE notes SET created_at = to_timestamp($2) WHERE id = $1", note["id"], second)

    assert texts(await page(api, created=1_002)) == ["1002"]
    assert texts(await page(api, **{"created[gt]": 1_002})) == ["1004", "1003"]
    assert texts(await page(api, **{"created[gte]": 1_003, "created[lt]": 1_004})) == ["1003"]
    assert texts(await page(api, **{"created[lte]": 1_001})) == ["1001", "1000"]
    assert texts(await page(api, **{"created[gt]": 5_000})) == []


async def chain(api: httpx.AsyncClient, depth: int) -> list[str]:
    """Notes, each the parent of the next."""
    made: list[str] = []
    for n in range(depth):
        parent = {"parent": made[-1]} if made else {}
        made.append((await create(api, text=str(n), **parent))["id"])
    return made


async def test_an_object_takes_the_place_of_its_id(api: httpx.AsyncClient) -> None:
    *_, great, grand, parent, child = await chain(api, 5)

    plain = (await api.get(f"/v1/notes/{child}")).json()
    assert plain["parent"] == parent
    answer = await api.get(
        f"/v1/notes/{child}", params={"expand[]": ["parent.parent", "links.parent", "parent.links.parent"]}
    )
    note = answer.json()
    assert note["parent"]["id"] == parent
    assert note["parent"]["parent"]["id"] == grand
    assert note["parent"]["parent"]["parent"] == great
    assert note["parent"]["links"]["parent"]["id"] == grand
    assert note["links"]["parent"]["id"] == parent
    assert note["links"]["parent"]["parent"] == grand


async def test_lists_expand_through_data(api: httpx.AsyncClient) -> None:
    root, middle, leaf = await chain(api, 3)

    listed = await page(api, **{"expand[]": "data.parent"})

    assert [item["id"] for item in listed["data"]] == [leaf, middle, root]
    assert [item["parent"] and item["parent"]["id"] for item in listed["data"]] == [middle, root, None]
    assert listed["data"][0]["parent"]["parent"] == root


async def test_the_answer_of_a_post_is_kept_expanded(served: Served, api: httpx.AsyncClient) -> None:
    (root,) = await chain(api, 1)
    for path in ("/v1/notes", "/v1/quick_notes"):
        body = {"parent": root, "expand[]": "parent"}
        headers = {"Idempotency-Key": path}
        first = await api.post(path, data=body, headers=headers)
        served.res.once._ended.clear()
        repeat = await api.post(path, data=body, headers=headers)

        assert first.json()["parent"]["id"] == root
        assert repeat.content == first.content
        assert repeat.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("path", "expand", "message"),
    [
        ("/v1/notes/{id}", "text", "This property cannot be expanded (text)."),
        ("/v1/notes/{id}", "nothing", "This property cannot be expanded (nothing)."),
        ("/v1/notes/{id}", "parent.text", "This property cannot be expanded (parent.text)."),
        ("/v1/notes/{id}", "data.parent", "This property cannot be expanded (data.parent)."),
        ("/v1/notes", "parent", "This property cannot be expanded (parent). Did you mean 'data.parent'?"),
        ("/v1/notes", "data", "This property cannot be expanded (data)."),
        ("/v1/notes", "data.", "This property cannot be expanded (data.)."),
        ("/v1/notes/{id}", "parent.", "This property cannot be expanded (parent.)."),
        (
            "/v1/notes/{id}",
            "parent.parent.parent.parent.parent",
            (
                "You cannot expand more than 4 levels of a property."
                " Property: parent.parent.parent.parent.parent"
            ),
        ),
    ],
)
async def test_what_cannot_be_expanded_is_told(
    api: httpx.AsyncClient, path: str, expand: str, message: str
) -> None:
    (root,) = await chain(api, 1)
    answer = await api.get(path.format(id=root), params={"expand[]": expand})

    assert answer.status_code == 400
    assert (error_of(answer)["param"], error_of(answer)["message"]) == ("expand", message)


async def test_expand_must_be_an_array(api: httpx.AsyncClient) -> None:
    error = error_of(await api.get("/v1/notes", params={"expand": "data.parent"}))
    assert (error["param"], error["message"]) == ("expand", "Invalid array")


async def test_a_refused_expansion_leaves_the_key_free(served: Served, api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    refused = await api.post("/v1/notes", data={"text": "a", "expand[]": "text"}, headers=headers)
    assert refused.status_code == 400
    assert (await api.post("/v1/notes", data={"text": "a"}, headers=headers)).status_code == 200
    assert await served.value("SELECT count(*) FROM notes") == 1
