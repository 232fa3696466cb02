"""Hostile bodies: always a 4xx or a precise partial, within bounded memory, and the ledger balances."""

import asyncio
import math
import socket
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.chaos.metrics_ingest import hostile
from tests.chaos.metrics_ingest.hostile import MIB, PROTOBUF, WRITE, Hostile, numbered
from tests.chaos.metrics_ingest.memory import Watch
from tests.support import remote_write
from tests.support.metrics_stack import Account, MetricsStack
from tests.support.processes import TIMEOUT_S, Process

RISE_MAX_BYTES = 64 * MIB
DAY_MS = 86_400_000
SERIES = 500
WRITTEN = "x-prometheus-remote-write-samples-written"


async def send(account: Account, request: Hostile, receiver: int = 0) -> httpx.Response:
    return await account.send(request.path, request.body, receiver=receiver, **request.headers)


async def write(account: Account, timeseries: Sequence[Any], receiver: int = 0) -> httpx.Response:
    body = remote_write.snap(remote_write.request(timeseries))
    return await account.send(WRITE, body, receiver=receiver, content_type=PROTOBUF)


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.mark.slow
async def test_bombs_fragments_and_large_bodies_are_refused_within_64_mb_over_all_receivers(
    stack: MetricsStack,
) -> None:
    account = await stack.tenant()
    receivers = range(len(stack.receivers))
    for receiver in receivers:  # what any first request takes
        usual = await write(account, numbered("usual", SERIES, now_ms()), receiver)
        assert usual.status_code == httpx.codes.NO_CONTENT
    watch = Watch(stack.receivers)

    for request in [*hostile.bombs(), *hostile.truncated(), *hostile.large()]:
        for answer in await asyncio.gather(*(send(account, request, receiver) for receiver in receivers)):
            assert answer.status_code in request.statuses, f"{request}: {answer.status_code} {answer.text}"
        assert watch.rise() <= RISE_MAX_BYTES, f"{request}: {watch.rise() // MIB} MiB"

    ledger = await account.settled(accepted=SERIES * len(receivers))
    assert ledger["accepted"] == ledger["stored"] == SERIES * len(receivers)


async def test_a_sender_that_leaves_within_its_body_leaves_nothing(stack: MetricsStack) -> None:
    account = await stack.tenant()
    body = remote_write.snap(remote_write.request(numbered("left", SERIES, now_ms())))
    await asyncio.to_thread(leave_within, stack.receivers[0], account.key, body)
    assert (await write(account, numbered("stayed", SERIES, now_ms()))).status_code == httpx.codes.NO_CONTENT
    assert (await account.settled(received=SERIES))["stored"] == SERIES
    await account.shows("count(stayed)", SERIES)
    assert await account.value("count(left)") == 0


def leave_within(receiver: Process, key: str, body: bytes) -> None:
    address = urlsplit(receiver.url)
    head = (
        f"POST {WRITE} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), TIMEOUT_S) as sender:
        sender.sendall(head.encode() + body[: len(body) // 2])


def one_bad(name: str, **changed: Any) -> list[Any]:
    """499 good series, and among them one that is not."""
    good = numbered(name, SERIES - 1, now_ms())
    labels = changed.get("labels", [("__name__", name), ("n", "bad")])
    bad = remote_write.series(labels, [(changed.get("at_ms", now_ms()), changed.get("value", 1.0))])
    return [*good[:250], bad, *good[250:]]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"labels": [("__name__", "odd"), ("n", "a"), ("n", "b")]}, "duplicate_label"),
        ({"labels": [("__name__", "odd"), ("n", "x" * 20_000)]}, "label_value_too_long"),
        ({"at_ms": time.time_ns()}, "too_far_in_future"),
        ({"at_ms": now_ms() + 10 * DAY_MS}, "too_far_in_future"),
        ({"at_ms": now_ms() - 10 * DAY_MS}, "too_old"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_one_bad_series_of_500_is_refused_by_name_and_499_are_stored(
    stack: MetricsStack, changed: dict[str, Any], reason: str
) -> None:
    account = await stack.tenant()
    answer = await write(account, one_bad("odd", **changed))
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.headers[WRITTEN] == str(SERIES - 1)
    assert f"accepted {SERIES - 1} of {SERIES} samples" in answer.text
    assert f"1 {reason}" in answer.text
    ledger = await account.settled(received=SERIES)
    assert ledger["received"] == SERIES
    assert (ledger["stored"], ledger["rejected"], ledger["dead"]) == (SERIES - 1, {reason: 1}, {})
    await account.shows("count(odd)", SERIES - 1)
    # What is newer than a refused one from the future is not held up by it.
    assert (await write(account, numbered("odd", 1, now_ms(), value=2.0))).status_code == 204
    await account.shows('odd{n="0"}', 2)


async def test_a_nan_is_accepted_and_told_of_as_dead(stack: MetricsStack) -> None:
    account = await stack.tenant()
    answer = await write(account, one_bad("odd", value=math.nan))
    assert (answer.status_code, answer.headers[WRITTEN]) == (httpx.codes.NO_CONTENT, str(SERIES))
    ledger = await account.settled(received=SERIES)
    assert (ledger["stored"], ledger["dead"]) == (SERIES - 1, {"nan": 1})
    await account.shows("count(odd)", SERIES - 1)


async def test_the_same_batch_three_times_at_once_is_there_once(stack: MetricsStack) -> None:
    account = await stack.tenant()
    batch = numbered("same", SERIES, now_ms(), value=7.0)
    receivers = [number % len(stack.receivers) for number in range(3)]
    answers = await asyncio.gather(*(write(account, batch, receiver) for receiver in receivers))
    assert [answer.status_code for answer in answers] == [httpx.codes.NO_CONTENT] * 3
    ledger = await account.settled(received=3 * SERIES)
    assert (ledger["accepted"], ledger["stored"], ledger["rejected"]) == (3 * SERIES, 3 * SERIES, {})
    await account.shows("sum(count_over_time(same[1h]))", SERIES)
    await account.shows("sum(sum_over_time(same[1h]))", 7 * SERIES)
