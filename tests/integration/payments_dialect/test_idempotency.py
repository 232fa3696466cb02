"""One effect and one answer an Idempotency-Key, for both shapes of a POST and over two processes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from chassis import idempotency
from payments.settings import PaymentsSettings
from payments.usecases.retention import reap

from tests.integration.payments_dialect.notes import with_notes
from tests.support.eventually import eventually
from tests.support.payments import Served, error_of, moved_clock, serving, settings_of

SHAPES = ("/v1/notes", "/v1/quick_notes")


async def send(api: httpx.AsyncClient, key: str, path: str = "/v1/notes", **params: Any) -> httpx.Response:
    return await api.post(path, data=params, headers={"Idempotency-Key": key})


def forget(served: Served) -> None:
    """What the process remembers: as if the repeat came to another one."""
    served.res.once._ended.clear()


async def notes(served: Served) -> int:
    return int(await served.value("SELECT count(*) FROM notes"))


@pytest.fixture
async def other(settings: PaymentsSettings, served: Served) -> AsyncIterator[Served]:
    """A second process on the same servers."""
    del served  # it makes the table
    async with serving(settings, make=with_notes) as other:
        yield other


@pytest.mark.parametrize("path", SHAPES)
async def test_a_repeat_gets_the_same_bytes_and_has_no_effect(
    served: Served, other: Served, path: str
) -> None:
    first = await send(served.client(), "k", path, text="a")
    assert "Idempotent-Replayed" not in first.headers
    assert first.headers["Idempotency-Key"] == "k"

    for process in (served, other, other):
        repeat = await send(process.client(), "k", path, text="a")

        assert (repeat.status_code, repeat.content) == (200, first.content)
        assert repeat.headers["Idempotent-Replayed"] == "true"
        assert repeat.headers["Original-Request"] == first.headers["Request-Id"]
        assert repeat.headers["Request-Id"] != first.headers["Request-Id"]
    assert await notes(served) == 1


async def test_the_order_and_the_spelling_of_parameters_do_not_matter(
    served: Served, api: httpx.AsyncClient
) -> None:
    bodies = ["text=a&tags[]=x&tags[]=y", "tags[0]=x&tags[1]=y&text=%61", "&tags%5B%5D=x&text=a&tags[]=y&"]
    fields = {"Idempotency-Key": "k", "Content-Type": "application/x-www-form-urlencoded"}
    answers = [await api.post("/v1/notes", content=body, headers=fields) for body in bodies]

    assert {answer.content for answer in answers} == {answers[0].content}
    assert await notes(served) == 1


@pytest.mark.parametrize("path", SHAPES)
async def test_other_parameters_or_another_endpoint_are_refused(served: Served, path: str) -> None:
    api = served.client()
    await send(api, "k", path, text="a")
    other_path = SHAPES[1 - SHAPES.index(path)]

    for sent in ((path, {"text": "b"}), (path, {}), (other_path, {"text": "a"})):
        forget(served)
        for _ in range(2):
            refused = await send(api, "k", sent[0], **sent[1])
            assert refused.status_code == 400
            assert error_of(refused)["type"] == "idempotency_error"
    assert await notes(served) == 1


async def test_a_key_belongs_to_its_account(served: Served) -> None:
    one = await send(served.client("one"), "k", text="a")
    two = await send(served.client("two"), "k", text="b")
    assert (one.status_code, two.status_code) == (200, 200)
    assert one.json()["id"] != two.json()["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, " "])
async def test_a_key_that_cannot_be_one_is_refused(served: Served, api: httpx.AsyncClient, key: str) -> None:
    answer = await send(api, key, text="a")
    assert (answer.status_code, error_of(answer)["type"]) == (400, "invalid_request_error")
    assert await notes(served) == 0


async def test_two_keys_in_one_request_are_refused(served: Served, api: httpx.AsyncClient) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    answer = await api.post("/v1/notes", data={"text": "a"}, headers=headers)
    assert (answer.status_code, error_of(answer)["type"]) == (400, "invalid_request_error")
    assert await notes(served) == 0


async def test_the_longest_key_is_taken(api: httpx.AsyncClient) -> None:
    key = "\u00fc" * 255
    answer = await api.post("/v1/notes", headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert answer.status_code == 200


async def test_keys_of_other_methods_are_echoed_and_mean_nothing(api: httpx.AsyncClient) -> None:
    for _ in range(2):
        answer = await api.get("/v1/notes", headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.headers["Idempotency-Key"]) == (200, "k")
        assert "Idempotent-Replayed" not in answer.headers
    assert (await send(api, "k", text="a")).status_code == 200


@pytest.mark.parametrize(
    ("params", "status"),
    [({"unknown": "1"}, 400), ({"count": "ten"}, 400), ({"parent": "note_none"}, 400)],
)
async def test_a_refused_request_leaves_the_key_free(
    served: Served, api: httpx.AsyncClient, params: dict[str, str], status: int
) -> None:
    assert (await send(api, "k", **params)).status_code == status
    assert (await send(api, "k", text="now right")).status_code == 200
    assert await notes(served) == 1


async def test_an_unknown_caller_leaves_the_key_free(served: Served) -> None:
    assert (await send(served.client(None), "k", text="a")).status_code == 401
    assert (await send(served.client(), "k", text="b")).status_code == 200


@pytest.mark.parametrize(("fail", "status"), [("decline", 402), ("bug", 500)])
async def test_a_failure_of_execution_is_undone_and_kept(
    served: Served, other: Served, fail: str, status: int
) -> None:
    first = await send(served.client(), "k", fail=fail)
    assert first.status_code == status
    assert "Idempotent-Replayed" not in first.headers

    for process in (served, other):
        forget(process)
        repeat = await send(process.client(), "k", fail=fail)
        assert (repeat.status_code, repeat.content) == (status, first.content)
        assert repeat.headers["Idempotent-Replayed"] == "true"
        assert repeat.headers["Original-Request"] == first.headers["Request-Id"]
    assert (await send(served.client(), "k", text="other")).status_code == 400
    assert await notes(served) == 0


async def test_a_kept_500_tells_the_client_not_to_try_again(api: httpx.AsyncClient) -> None:
    answers = [await send(api, "k", fail="bug"), await send(api, "k", fail="bug")]
    assert [answer.headers["Stripe-Should-Retry"] for answer in answers] == ["false", "false"]


async def test_while_the_first_runs_the_others_get_409(served: Served, other: Served) -> None:
    sends = [send(process.client(), "k", fail="slow") for process in (served, other) for _ in range(10)]
    answers = await asyncio.gather(*sends)

    counts = Counter(answer.status_code for answer in answers)
    assert counts.keys() == {200, 409}
    assert await notes(served) == 1
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert error_of(refused)["type"] == "idempotency_error"
    assert error_of(refused)["code"] == "idempotency_key_in_use"
    assert refused.headers["Stripe-Should-Retry"] == "true"
    assert (await send(served.client(), "k", fail="slow")).headers["Idempotent-Replayed"] == "true"


async def test_other_parameters_under_a_running_key_are_a_mismatch(served: Served, other: Served) -> None:
    first = asyncio.create_task(send(served.client(), "k", fail="slow"))
    sleeping = (
        "SELECT true FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    )
    await eventually(lambda: served.value(sleeping))

    same = await send(served.client(), "k", text="x")
    elsewhere = await send(other.client(), "k", text="x")
    # Until the claim is committed, only the process that runs it can tell whose key it is.
    assert (same.status_code, elsewhere.status_code) == (400, 409)
    assert (await first).status_code == 200


@pytest.mark.parametrize("path", SHAPES)
async def test_a_storm_of_one_key_over_two_processes_has_one_effect(
    served: Served, other: Served, path: str
) -> None:
    clients = [served.client(), other.client()]
    answers = await asyncio.gather(*(send(clients[n % 2], "k", path, text="a") for n in range(200)))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    assert await notes(served) == 1


async def test_racing_requests_of_different_meaning_under_one_key_have_one_winner(
    served: Served, other: Served
) -> None:
    clients = [served.client(), other.client()]
    answers = await asyncio.gather(
        *(send(clients[n % 2], "k", SHAPES[n // 2 % 2], text=str(n % 8)) for n in range(64))
    )

    assert {answer.status_code for answer in answers} <= {200, 400, 409}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    assert await notes(served) == 1


async def test_a_key_is_kept_for_24_hours_of_the_clock_and_then_reaped(
    settings: PaymentsSettings, tmp_path: Path, served: Served
) -> None:
    file = moved_clock(tmp_path / "clock", 0)
    moved = settings_of(settings.database_url, settings.redis_url, clock_file=file)
    async with serving(moved, make=with_notes) as process:
        api, res = process.client(), process.res
        first = await send(api, "k", text="a")

        moved_clock(file, timedelta(hours=23, minutes=59).total_seconds())
        assert await reap(res) == 0
        forget(process)
        assert (await send(api, "k", text="a")).content == first.content

        moved_clock(file, timedelta(hours=24, minutes=1).total_seconds())
        assert await reap(res) == 1
        forget(process)
        assert (await send(api, "k", text="other")).status_code == 200
    assert await notes(served) == 2


async def test_the_reaper_takes_keys_in_bounded_batches(
    settings: PaymentsSettings, tmp_path: Path, served: Served
) -> None:
    file = moved_clock(tmp_path / "clock", 0)
    small = settings_of(
        settings.database_url, settings.redis_url, clock_file=file, idempotency_reap_batch_max=3
    )
    async with serving(small, make=with_notes) as process:
        async with process.pool.acquire() as conn:
            for n in range(7):
                claimed = await idempotency.claim(
                    conn, "acct_one", f"k{n}", b"f", now=process.res.clock.now()
                )
                assert isinstance(claimed, idempotency.Claimed)
                await idempotency.finish(conn, claimed, 200, {}, b"{}")
        moved_clock(file, timedelta(days=2).total_seconds())
        assert await reap(process.res) == 7
    assert await served.value("SELECT count(*) FROM idempotency_keys") == 0
