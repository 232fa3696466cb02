"""Bisection: whatever fails, every message ends somewhere, and no key is applied out of order."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

from chassis.kafka.isolate import Unreadable, Verdict, isolate
from chassis.records import Message
from chassis.retry import Permanent, Poison, Transient
from hypothesis import given
from hypothesis import strategies as st

FATES = {"applied": None, "transient": Transient, "permanent": Permanent, "poison": Poison}
# Read before anything is applied, and named all at once.
UNREADABLE = "unreadable"


class FakeConnection:
    """Savepoints over a list: what was applied inside one that failed is undone."""

    def __init__(self) -> None:
        self.applied: list[Message] = []

    def is_closed(self) -> bool:
        return False

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        before = list(self.applied)
        try:
            yield
        except Exception:
            self.applied = before
            raise


async def run(batch: list[tuple[int, str]]) -> tuple[Verdict, list[Message], dict[int, str]]:
    messages = [Message("t", 0, at, b"%d" % key, b"") for at, (key, _) in enumerate(batch)]
    fates = {at: fate for at, (_, fate) in enumerate(batch)}
    conn = FakeConnection()

    async def apply(conn: Any, group: list[Message]) -> None:
        errors = [(m, Poison("on purpose")) for m in group if fates[m.offset] == UNREADABLE]
        if errors:
            raise Unreadable(errors)
        for message in group:
            conn.applied.append(message)
            error = FATES[fates[message.offset]]
            if error is not None:
                raise error("on purpose")

    verdict = await isolate(cast("Any", conn), messages, apply, attempts=1)
    return verdict, conn.applied, fates


batches = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([*FATES, UNREADABLE])), max_size=40)


@given(batches)
async def test_every_message_is_applied_queued_or_buried_once(batch: list[tuple[int, str]]) -> None:
    verdict, applied, _ = await run(batch)
    ends = [m.offset for m in applied] + [m.offset for m in verdict.queued]
    ends += [letter.message.offset for letter in verdict.dead]
    assert sorted(ends) == list(range(len(batch)))
    assert sorted(m.offset for m in verdict.applied) == sorted(m.offset for m in applied)


@given(batches)
async def test_a_key_is_applied_in_order_and_never_past_its_parked_head(batch: list[tuple[int, str]]) -> None:
    verdict, applied, fates = await run(batch)
    heads = {message.key: message.offset for message, _ in verdict.heads}
    for key in {message.key for message in applied}:
        offsets = [message.offset for message in applied if message.key == key]
        assert offsets == sorted(offsets)
        assert all(offset < heads.get(key, len(batch)) for offset in offsets)
    assert all(fates[message.offset] == "transient" for message, _ in verdict.heads)


@given(batches)
async def test_good_messages_of_keys_without_a_passing_failure_are_all_applied(
    batch: list[tuple[int, str]],
) -> None:
    _, applied, fates = await run(batch)
    parked = {key for key, fate in batch if fate == "transient"}
    good = {at for at, (key, _) in enumerate(batch) if fates[at] == "applied" and key not in parked}
    assert good <= {message.offset for message in applied}
