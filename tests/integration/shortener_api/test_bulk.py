"""Many links in one request: bulk, import, export."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from shortener.api import transfer
from shortener.settings import ShortenerSettings
from starlette.requests import Request

from tests.integration.shortener_api.served import (
    URL,
    Served,
    create,
    key_of,
    put_test_tenants,
    serving,
    settings_of,
)


def rows(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"url": f"https://example.com/{number}", **fields} for number in range(count)]


async def bulk(
    client: httpx.AsyncClient, mode: str, links: list[Any], key: str | None = None
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post("/v1/links/bulk", json={"mode": mode, "links": links}, headers=headers)


async def test_ten_thousand_rows_are_created_in_one_request(served: Served, api: httpx.AsyncClient) -> None:
    answer = await bulk(api, "atomic", rows(10_000))

    assert answer.status_code == 200, answer.text[:500]
    items = answer.json()["items"]
    assert [item["index"] for item in items] == list(range(10_000))
    assert items[77]["link"]["url"] == "https://example.com/77"
    assert len({item["link"]["slug"] for item in items}) == 10_000
    assert await served.value("SELECT count(*) FROM links WHERE tenant_id = 'one'") == 10_000
    assert await served.value("SELECT count(*) FROM outbox") == 10_000
    assert await served.value("SELECT sum(links) FROM quota_usage") == 10_000


async def test_one_row_more_is_refused(api: httpx.AsyncClient) -> None:
    answer = await bulk(api, "each", rows(10_001))

    assert (answer.status_code, answer.json()["code"]) == (422, "bulk_too_long")
    assert (await bulk(api, "each", [])).status_code == 422


async def test_each_creates_what_can_be_and_names_what_cannot(served: Served, api: httpx.AsyncClient) -> None:
    await create(served.client("two"), slug="theirs")
    answer = await bulk(
        api,
        "each",
        [
            {"url": URL, "slug": "mine-1"},
            {"url": "ftp://example.com"},
            {"url": URL, "slug": "theirs"},
            {"url": URL, "slug": "mine-1"},
            "no object",
            {"url": URL, "surprise": 1},
            {"url": URL},
        ],
    )

    assert answer.status_code == 200
    items = answer.json()["items"]
    codes = [item["problem"]["code"] if "problem" in item else None for item in items]
    assert codes == [
        None,
        "validation_error",
        "slug_taken",
        "slug_taken",
        "validation_error",
        "validation_error",
        None,
    ]
    assert items[1]["problem"]["errors"][0]["pointer"] == "/url"
    assert await served.value("SELECT count(*) FROM links WHERE tenant_id = 'one'") == 2
    assert await served.value("SELECT sum(links) FROM quota_usage WHERE tenant_id = 'one'") == 2


@pytest.mark.parametrize(
    ("spoiler", "status", "code", "row_code"),
    [
        ({"url": "ftp://example.com"}, 422, "bulk_refused", "validation_error"),
        ({"url": URL, "slug": "theirs"}, 409, "bulk_conflict", "slug_taken"),
    ],
)
async def test_atomic_creates_all_or_nothing(
    served: Served, api: httpx.AsyncClient, spoiler: dict[str, Any], status: int, code: str, row_code: str
) -> None:
    await create(served.client("two"), slug="theirs")
    answer = await bulk(api, "atomic", [*rows(50), spoiler])

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert [(item["index"], item["problem"]["code"]) for item in answer.json()["items"]] == [(50, row_code)]
    assert await served.value("SELECT count(*) FROM links WHERE tenant_id = 'one'") == 0
    assert await served.value("SELECT count(*) FROM quota_usage WHERE tenant_id = 'one' AND links > 0") == 0


@pytest.mark.parametrize("mode", ["atomic", "each"])
async def test_a_bulk_sent_again_after_a_lost_reply_gets_the_same_answer(
    served: Served, api: httpx.AsyncClient, mode: str
) -> None:
    sent = [*rows(200), {"url": URL, "slug": f"chosen-{mode}"}]
    first = await bulk(api, mode, sent, "bulk-key")
    served.app.state.resources.once._ended.clear()
    again = await bulk(api, mode, sent, "bulk-key")
    other = await bulk(api, mode, sent[1:], "bulk-key")

    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await served.value("SELECT count(*) FROM links") == 201


async def test_own_deleted_slugs_can_be_taken_again_in_bulk(api: httpx.AsyncClient) -> None:
    for slug in ("again-1", "again-2"):
        await api.delete(f"/v1/links/{(await create(api, slug=slug))['id']}")

    answer = await bulk(api, "atomic", [{"url": URL, "slug": "again-2"}, {"url": URL, "slug": "again-1"}])

    assert answer.status_code == 200, answer.text


async def test_bulks_of_the_same_slugs_at_once_make_each_link_once(served: Served) -> None:
    links = [{"url": URL, "slug": f"same-{number}"} for number in range(300)]
    answers = await asyncio.gather(
        bulk(served.client("one"), "each", links),
        bulk(served.client("two"), "each", links[::-1]),
        bulk(served.client("one"), "each", links),
    )

    assert [answer.status_code for answer in answers] == [200] * 3
    created = [
        item["link"]["slug"] for answer in answers for item in answer.json()["items"] if "link" in item
    ]
    assert len(created) == len(set(created)) == 300


async def test_a_body_above_its_limit_is_refused_before_and_while_it_is_read(api: httpx.AsyncClient) -> None:
    async def chunks(size: int) -> Any:
        for _ in range(size // 65_536 + 1):
            yield b" " * 65_536

    for path, size in (("/v1/links", 2**20), ("/v1/links/bulk", 2**23), ("/v1/links/import", 2**23)):
        whole = await api.post(path, content=b" " * (size + 1), headers={"Content-Type": "application/json"})
        streamed = await api.post(path, content=chunks(size), headers={"Content-Type": "application/json"})
        assert (whole.status_code, whole.json()["code"]) == (413, "body_too_large")
        assert (streamed.status_code, streamed.json()["code"]) == (413, "body_too_large")
    fits = await bulk(api, "each", [{"url": URL, "title": "t" * 199} for _ in range(6_000)])
    assert fits.status_code == 200


def lines_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_an_import_answers_every_line_by_itself(served: Served, api: httpx.AsyncClient) -> None:
    content = b'{"url": "https://a.example", "slug": "imported"}\n\nnot json\r\n{"url": "https://b.example"}'
    lines = lines_of(await api.post("/v1/links/import", content=content))

    assert [line["line"] for line in lines] == [1, 3, 4]
    assert lines[0]["link"]["slug"] == "imported"
    assert lines[1]["problem"]["code"] == "validation_error"
    assert await served.value("SELECT count(*) FROM links") == 2


async def test_an_import_that_broke_off_goes_on_where_it_stopped(
    served: Served, settings: ShortenerSettings
) -> None:
    content = b"\n".join(json.dumps(row).encode() for row in rows(1_700))
    headers = {"Idempotency-Key": "import-key"}
    half = served.client()
    # Another process dies after two batches of 500.
    async with serving(settings) as dead:
        tenant = await dead.app.state.access.keys.get(key_of("one"))
        lines = transfer._lines(content, 10_000)
        batches = transfer._import(Request({"type": "http", "app": dead.app}), tenant, lines, "import-key")
        for _ in range(2):
            await anext(batches)
    assert await served.value("SELECT count(*) FROM links") == 1_000

    answers = lines_of(await half.post("/v1/links/import", content=content, headers=headers))
    again = lines_of(await half.post("/v1/links/import", content=content, headers=headers))

    assert [line["line"] for line in answers] == list(range(1, 1_701))
    assert again == answers
    assert await served.value("SELECT count(*) FROM links") == 1_700
    assert await served.value("SELECT sum(links) FROM quota_usage") == 1_700


async def test_an_export_holds_every_link_of_the_tenant_once(
    served: Served, settings: ShortenerSettings
) -> None:
    paged = settings_of(settings.database_url, settings.redis_url, export_page_rows=100)
    async with serving(paged) as small_pages:
        await put_test_tenants(small_pages.pool)
        api = small_pages.client()
        await bulk(api, "atomic", rows(250, tags=["bulk"]))
        await create(api, tags=["other"])
        await create(small_pages.client("two"))

        lines = lines_of(await api.get("/v1/links/export"))
        tagged = lines_of(await api.get("/v1/links/export", params={"tag": "other"}))

    assert len({line["id"] for line in lines}) == len(lines) == 251
    assert [line["tags"] for line in tagged] == [["other"]]
    nothing = await served.client("small").get("/v1/links/export")
    assert (nothing.status_code, nothing.content) == (200, b"")
