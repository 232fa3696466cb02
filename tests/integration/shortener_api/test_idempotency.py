"""Idempotency-Key: one effect and one answer, in one process and over several."""

import asyncio
import contextlib
from collections import Counter
from typing import Any

import httpx
import pytest
from shortener.settings import ShortenerSettings

from tests.integration.shortener_api.served import URL, Served, create, put_test_tenants, serving
from tests.support.effort import effort
from tests.support.eventually import eventually

CREATES = effort(2_000, full=10_000)


async def send(client: httpx.AsyncClient, key: str, **fields: Any) -> httpx.Response:
    return await client.post("/v1/links", json={"url": URL, **fields}, headers={"Idempotency-Key": key})


def forget_memory(served: Served) -> None:
    """What another process, or this one after a restart, knows of earlier answers."""
    served.app.state.resources.once._ended.clear()


async def test_a_repeat_gets_the_first_answer_byte_for_byte(served: Served, api: httpx.AsyncClient) -> None:
    first = await send(api, "k1", tags=["a"])
    from_memory = await send(api, "k1", tags=["a"])
    forget_memory(served)
    from_table = await send(api, "k1", tags=["a"])

    assert first.status_code == 201
    assert "idempotent-replayed" not in first.headers
    for repeat in (from_memory, from_table):
        assert (repeat.status_code, repeat.content) == (201, first.content)
        assert repeat.headers["idempotent-replayed"] == "true"
        assert (repeat.headers["etag"], repeat.headers["location"]) == (
            first.headers["etag"],
            first.headers["location"],
        )
    assert await served.value("SELECT count(*) FROM links") == 1
    assert await served.value("SELECT sum(links) FROM quota_usage") == 1


async def test_the_spelling_of_a_body_does_not_make_another_request(api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "spelled", "Content-Type": "application/json"}
    first = await api.post("/v1/links", content=b'{"url":"https://e.com/","slug":"spelled"}', headers=headers)
    again = await api.post(
        "/v1/links", content=b'{ "slug": "spelled", "tags": null, "url": "https://e.com/" }', headers=headers
    )

    assert (again.status_code, again.content) == (201, first.content)


async def test_the_same_key_with_another_body_is_refused(served: Served, api: httpx.AsyncClient) -> None:
    await send(api, "k2")
    for _ in range(2):
        answer = await send(api, "k2", tags=["b"])
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        forget_memory(served)


async def test_keys_of_two_tenants_are_two_keys(served: Served) -> None:
    one, two = await send(served.client("one"), "k3"), await send(served.client("two"), "k3")

    assert one.json()["id"] != two.json()["id"]


async def test_a_refused_create_frees_its_key(api: httpx.AsyncClient) -> None:
    await send(api, "k4", slug="first")
    assert (await send(api, "k5", slug="first")).status_code == 409
    assert (await send(api, "k5", slug="second")).status_code == 201


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "tab\there", "ü"])
async def test_a_key_that_is_none_is_refused(api: httpx.AsyncClient, key: str) -> None:
    answer = await api.post("/v1/links", json={"url": URL}, headers=[(b"Idempotency-Key", key.encode())])

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")


async def test_a_repeat_while_the_first_is_in_progress_is_told_so_without_a_connection(
    served: Served, api: httpx.AsyncClient
) -> None:
    await create(api)  # the key of the tenant is known from here on
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(served.pool.get_max_size()):  # the first waits for a connection
            await stack.enter_async_context(served.pool.acquire())
        first = asyncio.create_task(send(api, "k6"))
        await eventually(lambda: served.app.state.resources.once._running)
        repeat = await send(api, "k6")
        other = await send(api, "k6", tags=["x"])
    assert (repeat.status_code, repeat.json()["code"]) == (409, "idempotency_in_flight")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (await first).status_code == 201


async def test_a_create_that_dies_before_its_commit_leaves_the_key_free(
    served: Served, api: httpx.AsyncClient
) -> None:
    locker = await served.pool.acquire()
    transaction = locker.transaction()
    await transaction.start()
    await locker.execute("LOCK TABLE quota_usage IN ACCESS EXCLUSIVE MODE")
    dying = asyncio.create_task(send(api, "k7", slug="dying"))
    # The link is inserted and its answer stored, but not committed.
    await eventually(
        lambda: served.value(
            "SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
            " AND query LIKE '%UPDATE quota_usage%'"
        )
    )
    answer = await dying
    await transaction.rollback()
    await served.pool.release(locker)

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert await served.value("SELECT count(*) FROM links") == 0
    assert (await send(api, "k7", slug="dying")).status_code == 201


async def test_thousands_of_creates_with_one_key_over_three_workers_make_one_row(
    settings: ShortenerSettings,
) -> None:
    async with serving(settings) as a, serving(settings) as b, serving(settings) as c:
        await put_test_tenants(a.pool)
        clients = [worker.client("one") for worker in (a, b, c)]
        answers: list[httpx.Response] = []
        numbers = iter(range(CREATES))

        async def caller() -> None:
            for number in numbers:
                answer = await send(clients[number % 3], "one-key")
                answers.append(answer)

        await asyncio.gather(*(caller() for _ in range(300)))

        assert await a.value("SELECT count(*) FROM links") == 1
        assert await a.value("SELECT sum(links) FROM quota_usage") == 1
    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) <= {201, 409}
    assert sum(counts.values()) == CREATES
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert {a.json()["code"] for a in answers if a.status_code == 409} <= {"idempotency_in_flight"}
    assert sum("idempotent-replayed" not in a.headers for a in answers if a.status_code == 201) == 1
