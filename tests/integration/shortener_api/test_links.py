"""One link: created, read, changed, switched off and on, deleted."""

# ruff: noqa: RUF001  look-alikes are what is tested

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from shortener.domain import codes

from tests.integration.shortener_api.served import URL, Served, create


async def test_a_link_without_a_slug_gets_a_code_of_seven_characters(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/links", json={"url": URL})

    assert answer.status_code == 201, answer.text
    link = answer.json()
    assert len(link["slug"]) == 7
    assert link["slug"].isalnum()
    assert link["short_url"] == f"http://sho.rt/{link['slug']}"
    assert (link["url"], link["version"], link["state"], link["status"]) == (URL, 1, "active", 302)
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == f"/v1/links/{link['id']}"


async def test_what_was_created_is_what_is_read(api: httpx.AsyncClient) -> None:
    made = await create(
        api,
        slug="spring-sale",
        since="2030-01-01T00:00:00+02:00",
        until="2030-06-01T00:00:00Z",
        max_visits=5,
        tags=["mail", "spring", "mail"],
        status=307,
        title="Spring",
        utm={"source": "news"},
        rules=[
            {
                "if": {"device": "mobile", "time": {"from": "09:00", "to": "18:00"}},
                "url": "https://m.example.com",
            },
            {"split": [{"url": "https://a.example", "weight": 1}, {"url": "https://b.example", "weight": 3}]},
        ],
    )
    read = (await api.get(f"/v1/links/{made['id']}")).json()

    assert read == made
    assert read["since"] == "2029-12-31T22:00:00Z"
    assert read["tags"] == ["mail", "spring"]
    assert read["rules"][0]["if"]["device"] == ["mobile"]
    assert (read["utm"], read["status"], read["max_visits"]) == ({"source": "news"}, 307, 5)


async def test_a_taken_slug_is_a_conflict_for_every_tenant(served: Served) -> None:
    one, two = served.client("one"), served.client("two")
    await create(one, slug="mine")

    for client in (one, two):
        answer = await client.post("/v1/links", json={"url": URL, "slug": "mine"})
        assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken")


async def test_slugs_that_differ_in_case_are_two_links(api: httpx.AsyncClient) -> None:
    assert (await create(api, slug="Case"))["slug"] == "Case"
    assert (await create(api, slug="case"))["slug"] == "case"


async def test_ascii_slugs_never_conflict_by_looks(api: httpx.AsyncClient) -> None:
    for slug in ("l1l", "lll", "IlI", "rn0", "m0O"):
        await create(api, slug=slug)


async def test_a_look_alike_of_a_taken_slug_is_refused_to_everybody(served: Served) -> None:
    one, two = served.client("one"), served.client("two")
    cyrillic, latin = "мера", "ʍepa"
    made = await create(one, slug=cyrillic)

    for client in (one, two):
        answer = await client.post("/v1/links", json={"url": URL, "slug": latin})
        assert (answer.status_code, answer.json()["code"]) == (409, "slug_confusable")
    await one.delete(f"/v1/links/{made['id']}")
    assert (await two.post("/v1/links", json={"url": URL, "slug": latin})).status_code == 409
    await create(one, slug=latin)


@pytest.mark.parametrize(
    ("slug", "code"),
    [
        ("ab", None),
        ("a" * 65, None),
        ("Docs", "slug_reserved"),
        ("METRICS", "slug_reserved"),
        ("robots.txt", "slug_reserved"),
        ("has space", "slug_alphabet"),
        ("a/b/c", "slug_alphabet"),
        ("раураl", "slug_scripts"),
        ("сосо", "slug_looks_ascii"),
        ("ａｄｍｉｎ", "slug_looks_ascii"),
        ("emoji😀", "slug_alphabet"),
    ],
)
async def test_a_slug_that_may_not_be_is_refused(api: httpx.AsyncClient, slug: str, code: str | None) -> None:
    answer = await api.post("/v1/links", json={"url": URL, "slug": slug})

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    error = answer.json()["errors"][0]
    assert error["pointer"] == "/body/slug"
    assert code is None or error["code"] == code


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "ftp://example.com/",
        "//example.com",
        "https://user:pw@example.com/",
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://localhost:8080/",
        "http://printer.local/",
        "http://sho.rt/abc",
        "http://example.com:70000/",
        "https://example.com/\r\nX-Injected: 1",
        "https://example.com/" + "a" * 2048,
        "",
    ],
)
async def test_a_target_that_is_not_safe_is_refused(api: httpx.AsyncClient, url: str) -> None:
    for body, pointer in (
        ({"url": url}, "/body/url"),
        ({"url": URL, "rules": [{"url": url}]}, "/body/rules/0/url"),
        (
            {"url": URL, "rules": [{"split": [{"url": url, "weight": 1}, {"url": URL, "weight": 1}]}]},
            "/body/rules/0/split/0/url",
        ),
    ):
        answer = await api.post("/v1/links", json=body)
        assert answer.status_code == 422, (body, answer.text)
        assert answer.json()["errors"][0]["pointer"] == pointer


async def test_an_idn_host_is_kept_as_punycode(api: httpx.AsyncClient) -> None:
    made = await create(api, url="https://Bücher.example/ä?ö=ü")

    assert made["url"] == "https://xn--bcher-kva.example/%C3%A4?%C3%B6=%C3%BC"


@pytest.mark.parametrize(
    "fields",
    [
        {"since": "2030-01-01T00:00:00"},
        {"since": 1700000000},
        {"since": "2030-02-30T00:00:00Z"},
        {"until": "9999-12-31T23:59:59-23:59"},
        {"since": "2030-01-02T00:00:00Z", "until": "2030-01-01T00:00:00Z"},
        {"since": "2030-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"},
        {"max_visits": 0},
        {"max_visits": "5"},
        {"max_visits": True},
        {"max_visits": 2**31},
        {"max_visits": 10**5000},
        {"tags": ["x"] * 21},
        {"tags": [""]},
        {"tags": ["a" * 51]},
        {"tags": "mail"},
        {"status": 303},
        {"status": "302"},
        {"rules": [{}]},
        {"rules": [{"url": URL, "split": []}]},
        {"rules": [{"if": {"device": "toaster"}, "url": URL}]},
        {"rules": [{"if": {"time": {"from": "9", "to": "18:00"}}, "url": URL}]},
        {"rules": [{"if": {"time": {"from": "09:00", "to": "18:00", "tz": "Mars/Olympus"}}, "url": URL}]},
        {"rules": [{"split": [{"url": URL, "weight": 0}, {"url": URL, "weight": 0}]}]},
        {"rules": [{"url": URL}] * 21},
        {"title": "nul \x00"},
        {"title": "lone \ud800"},
        {"utm": {"source": ""}},
        {"surprise": 1},
        {"url": None},
        {"url": 5},
    ],
)
async def test_a_field_out_of_its_range_is_refused(api: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    try:
        content = json.dumps({"url": URL, **fields}).encode()
    except ValueError:  # longer than Python prints: sent as digits
        content = b'{"url": "https://example.com", "max_visits": 1' + b"0" * 5000 + b"}"
    answer = await api.post("/v1/links", content=content, headers={"Content-Type": "application/json"})

    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"[" * 100_000, b"nope", b"null", b"[]"])
async def test_what_is_no_json_object_is_refused_and_never_an_error_of_ours(
    api: httpx.AsyncClient, content: bytes
) -> None:
    for path in ("/v1/links", "/v1/links/bulk", "/v1/links/import"):
        answer = await api.post(path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code in {200, 400, 413, 422}, (path, answer.text)
        if answer.status_code == 200:
            assert path.endswith("import")
            assert all('"problem"' in line for line in answer.text.splitlines())


async def test_fifty_creates_of_one_slug_make_one_link(served: Served) -> None:
    clients = [served.client("one"), served.client("two")]

    async def create_it(number: int) -> httpx.Response:
        return await clients[number % 2].post("/v1/links", json={"url": URL, "slug": "wanted"})

    answers = await asyncio.gather(*map(create_it, range(50)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"slug_taken"}
    assert await served.value("SELECT count(*) FROM links WHERE slug = 'wanted'") == 1


async def test_an_unknown_id_and_what_is_no_id_are_not_found(api: httpx.AsyncClient) -> None:
    for link_id in (str(uuid4()), "nothing", "1", "{" + str(uuid4()) + "}"):
        for method, path in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/disable"),
            ("POST", "/enable"),
            ("GET", "/qr"),
        ):
            body: dict[str, Any] | None = {} if method == "PATCH" else None
            answer = await api.request(method, f"/v1/links/{link_id}{path}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "link_not_found")


async def test_a_patch_changes_what_it_names_and_null_takes_the_default(api: httpx.AsyncClient) -> None:
    made = await create(
        api, slug="patched", max_visits=3, tags=["a"], status=301, until="2030-01-01T00:00:00Z"
    )
    path = f"/v1/links/{made['id']}"

    answer = await api.patch(path, json={"url": "https://example.org/", "status": None, "until": None})
    changed = answer.json()

    assert answer.headers["etag"] == '"2"'
    assert {**made, "url": "https://example.org/", "status": 302, "until": None, "version": 2} == {
        **changed,
        "updated_at": made["updated_at"],
    }
    assert (await api.patch(path, json={"tags": None, "max_visits": None})).json()["tags"] == []
    assert (await api.get(path)).json()["version"] == 3


async def test_a_patch_that_changes_nothing_keeps_the_version(served: Served, api: httpx.AsyncClient) -> None:
    made = await create(api, slug="still", tags=["a"])
    told = len(served.told.changes)

    for body in ({}, {"url": URL}, {"tags": ["a"]}):
        assert (await api.patch(f"/v1/links/{made['id']}", json=body)).json()["version"] == 1
    assert len(served.told.changes) == told


async def test_a_slug_cannot_be_changed(api: httpx.AsyncClient) -> None:
    made = await create(api)
    answer = await api.patch(f"/v1/links/{made['id']}", json={"slug": "other"})

    assert answer.status_code == 422


async def test_if_match_lets_the_first_change_win_and_the_second_lose(api: httpx.AsyncClient) -> None:
    path = f"/v1/links/{(await create(api))['id']}"

    answers = await asyncio.gather(
        *(api.patch(path, json={"title": f"t{n}"}, headers={"If-Match": '"1"'}) for n in range(10))
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9
    lost = next(answer for answer in answers if answer.status_code == 412)
    assert (lost.json()["code"], lost.headers["etag"]) == ("version_mismatch", '"2"')
    for value, status in (('"1", "2"', 200), ("*", 200), ('W/"3"', 412), ("2", 400), ('"x"', 412)):
        answer = await api.patch(path, json={"title": value}, headers={"If-Match": value})
        assert answer.status_code == status, value
    assert (await api.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await api.post(f"{path}/disable", headers={"If-Match": '"1"'})).status_code == 412


async def test_an_unchanged_link_is_not_sent_again(api: httpx.AsyncClient) -> None:
    path = f"/v1/links/{(await create(api))['id']}"

    assert (await api.get(path, headers={"If-None-Match": '"1"'})).status_code == 304
    await api.patch(path, json={"title": "new"})
    assert (await api.get(path, headers={"If-None-Match": '"1"'})).status_code == 200


async def test_max_visits_cannot_fall_below_what_was_used(served: Served, api: httpx.AsyncClient) -> None:
    path = f"/v1/links/{(await create(api, max_visits=10))['id']}"
    await served.value("UPDATE links SET visits_used = 7")

    answer = await api.patch(path, json={"max_visits": 6})

    assert (answer.status_code, answer.json()["code"], answer.json()["used"]) == (409, "visits_used", 7)
    assert (await api.patch(path, json={"max_visits": 7})).status_code == 200


async def test_a_change_of_the_window_is_judged_with_what_stays(api: httpx.AsyncClient) -> None:
    path = f"/v1/links/{(await create(api, since='2030-01-01T00:00:00Z'))['id']}"

    answer = await api.patch(path, json={"until": "2029-01-01T00:00:00Z"})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/body/until")


async def test_a_link_is_switched_off_and_on(api: httpx.AsyncClient) -> None:
    path = f"/v1/links/{(await create(api))['id']}"

    off = (await api.post(f"{path}/disable", json={"reason": "over"})).json()
    again = (await api.post(f"{path}/disable")).json()
    on = (await api.post(f"{path}/enable")).json()

    assert (off["state"], off["state_reason"], off["version"]) == ("disabled", "over", 2)
    assert again == off
    assert (on["state"], on["state_reason"], on["version"]) == ("active", None, 3)


async def test_a_deleted_link_is_gone_and_its_slug_stays_with_its_tenant(served: Served) -> None:
    one, two = served.client("one"), served.client("two")
    made = await create(one, slug="kept")
    path = f"/v1/links/{made['id']}"

    assert (await one.delete(path)).status_code == 204
    assert (await one.get(path)).status_code == 404
    assert (await one.delete(path)).status_code == 404
    assert (await two.post("/v1/links", json={"url": URL, "slug": "kept"})).json()["code"] == "slug_taken"

    retaken = await create(one, slug="kept")
    assert retaken["id"] != made["id"]
    assert (await one.get(path)).status_code == 404


async def test_every_change_is_told_to_caches_and_to_the_outbox(
    served: Served, api: httpx.AsyncClient
) -> None:
    made = await create(api, slug="watched")
    path = f"/v1/links/{made['id']}"
    await api.patch(path, json={"title": "t"})
    await api.post(f"{path}/disable")
    await api.post(f"{path}/enable")
    await api.delete(path)

    revisions = [change.revision for change in served.told.changes if change.slug == "watched"]
    assert len(revisions) == 5
    assert revisions == sorted(set(revisions))
    async with served.pool.acquire() as conn:
        recorded = await conn.fetch(
            "SELECT revision FROM cache_invalidations WHERE slug = 'watched' ORDER BY 1"
        )
        events = await conn.fetch(
            "SELECT topic, key, convert_from(value, 'UTF8') AS value FROM outbox ORDER BY id"
        )
    assert [row["revision"] for row in recorded] == revisions
    assert {(row["topic"], row["key"].decode()) for row in events} == {
        ("shortener.link-changed.v1", made["id"])
    }
    assert all(URL not in row["value"] for row in events)


async def test_a_refused_create_leaves_nothing_behind(served: Served, api: httpx.AsyncClient) -> None:
    await create(api, slug="there")
    before = await served.value("SELECT count(*) FROM outbox")

    assert (await api.post("/v1/links", json={"url": URL, "slug": "there"})).status_code == 409

    assert await served.value("SELECT count(*) FROM outbox") == before
    assert await served.value("SELECT sum(links) FROM quota_usage") == 1


async def test_a_custom_slug_in_the_place_of_a_code_costs_only_the_next_code(
    served: Served, api: httpx.AsyncClient
) -> None:
    first = (await create(api))["slug"]
    permutation = served.app.state.resources.codes._permutation
    counter = permutation.backward(codes.decode(first))
    for ahead in (1, 2):
        await create(api, slug=permutation.code(counter + ahead))

    assert (await create(api))["slug"] == permutation.code(counter + 3)
