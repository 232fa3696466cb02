"""A cardinality bomb: known series keep flowing, and other tenants do not feel it."""

import asyncio
import time
from collections.abc import Collection, Sequence
from math import ceil

import httpx
import pytest

from tests.chaos.metrics_ingest.hostile import PROTOBUF, WRITE, numbered
from tests.support import remote_write
from tests.support.metrics_stack import Account, MetricsStack

KNOWN = 200
BUDGET = 1_000
SERIES = 500
BOMBS = 10

# One batch of a load; another tenant's small ones, each at its own time.
LOAD_EVERY_S, LOAD_BATCHES = 0.05, 40
SMALL_EVERY_S = 0.01
P99_MAX_S, P99_RATIO_MAX = 0.05, 3.0
TAKEN = (httpx.codes.NO_CONTENT,)
# The registry serves a tenant one batch at a time: the loud one may be told to come again.
JUDGED = (*TAKEN, httpx.codes.BAD_REQUEST, httpx.codes.SERVICE_UNAVAILABLE)
# A machine that does much else at that moment may hold up either side.
ROUNDS = 4


def now_ms() -> int:
    return int(time.time() * 1000)


def body(name: str, count: int, *, first: int = 0, value: float = 1.0) -> bytes:
    return remote_write.snap(remote_write.request(numbered(name, count, now_ms(), first=first, value=value)))


async def write(client: httpx.AsyncClient, content: bytes) -> int:
    return (await client.post(WRITE, content=content, headers={"content-type": PROTOBUF})).status_code


async def test_known_series_keep_flowing_while_a_bomb_is_refused_by_name(stack: MetricsStack) -> None:
    account = await stack.tenant(new_series_per_h=BUDGET)
    async with account.client(0) as one, account.client(1) as other:
        assert await write(one, body("known", KNOWN)) == httpx.codes.NO_CONTENT
        refused = 0
        for step in range(1, BOMBS + 1):
            bomb = body("bomb", SERIES, first=step * SERIES)
            codes = await asyncio.gather(
                write(one, bomb),
                write(other, bomb),
                write(one, body("known", KNOWN, value=float(step))),
                write(other, body("known", KNOWN, value=float(step))),
            )
            assert set(codes[2:]) == {httpx.codes.NO_CONTENT}
            refused += sum(code == httpx.codes.BAD_REQUEST for code in codes[:2])
        cardinality = (await one.get("/api/v1/cardinality")).json()
    assert refused >= 2 * BOMBS - 2 * ceil((BUDGET - KNOWN) / SERIES)
    assert (cardinality["new_series_this_hour"], cardinality["series_left"]) == (BUDGET, 0)
    ledger = await account.settled(received=KNOWN + 2 * BOMBS * (SERIES + KNOWN))
    assert set(ledger["rejected"]) == {"new_series_limit"}
    assert ledger["stored"] == ledger["accepted"]
    await account.shows("count(known)", KNOWN)
    await account.shows("sum(known)", KNOWN * BOMBS)
    await account.shows('count({__name__=~"known|bomb"})', BUDGET)


@pytest.mark.slow
async def test_others_feel_a_bomb_no_more_than_the_same_load_of_known_series(stack: MetricsStack) -> None:
    seen = []
    other = await stack.tenant()
    for _ in range(ROUNDS):
        loud = await stack.tenant()
        known = [body("known", SERIES, value=float(step)) for step in range(LOAD_BATCHES)]
        bomb = [body("bomb", SERIES, first=step * SERIES) for step in range(LOAD_BATCHES)]
        usual = await p99_beside(loud, known, other)
        under_bomb = await p99_beside(loud, bomb, other)
        if under_bomb < max(P99_MAX_S, P99_RATIO_MAX * usual):
            return
        seen.append((usual, under_bomb))
    raise AssertionError(f"p99 beside known series, and beside a bomb: {seen}")


async def p99_beside(loud: Account, load: Sequence[bytes], other: Account) -> float:
    """Of small writes on a fixed schedule, each measured from when it was due."""
    async with loud.client() as sender, other.client() as client:
        small = body("small", 10)
        assert await write(client, small) == httpx.codes.NO_CONTENT
        done = asyncio.gather(
            *(at(place * LOAD_EVERY_S, sender, one, JUDGED) for place, one in enumerate(load))
        )
        count = int(len(load) * LOAD_EVERY_S / SMALL_EVERY_S)
        waits = await asyncio.gather(*(at(place * SMALL_EVERY_S, client, small) for place in range(count)))
        await done
    return sorted(waits)[ceil(0.99 * count) - 1]


async def at(
    due_s: float, client: httpx.AsyncClient, content: bytes, codes: Collection[int] = TAKEN
) -> float:
    """Seconds from then to the answer."""
    due = time.monotonic() + due_s
    await asyncio.sleep(due_s)
    code = await write(client, content)
    assert code in codes
    return time.monotonic() - due
