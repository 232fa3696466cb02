"""The index of dead letters: one row a message that a group gave up, moved on by news and not by old news."""

import os

from chassis.records import Message, Origin
from orders.domain.letters import Filter, Kind, State, death_of
from orders.usecases import dead_letters, redrive_runs

from tests.support.letters import (
    TRACE_ID,
    Desk,
    buried,
    death,
    died_again,
    message_of,
    order_of,
    resolved_of,
)

# No text, and longer than a B-tree takes.
KEY = b"\xff\x00" + os.urandom(10_000)


async def redriven(desk: Desk) -> None:
    await redrive_runs.work_to_the_end(desk, await redrive_runs.begin(desk, order_of()))


async def test_a_letter_tells_who_gave_up_what_where_and_why(desk: Desk) -> None:
    await desk.index(death(7, key="order-1", group="inventory"))
    (letter,) = await desk.letters()
    assert (letter.group, letter.origin, letter.key) == ("inventory", Origin("t.v1", 0, 7), b"order-1")
    assert (letter.event_type, letter.reason, letter.error_class) == ("t.happened.v1", "permanent", "Misfit")
    assert (letter.error, letter.attempts, letter.redrives) == ("does not fit", 4, 0)
    assert (letter.trace_id, letter.state) == (TRACE_ID, State.DEAD)
    whole = await dead_letters.show(desk, letter.id)
    assert (whole.value, whole.place) == (b'{"n": 7}', Origin("t.v1.dlq", 0, 7))
    assert ("dlq-error-class", b"Misfit") in whole.headers
    assert await desk.history(letter.id) == [("died", 0)]


async def test_the_same_message_given_up_by_two_groups_is_two_letters(desk: Desk) -> None:
    await desk.index(death(1, group="orders"), death(1, group="inventory"))
    assert [letter.group for letter in await desk.letters()] == ["orders", "inventory"]


async def test_a_record_told_twice_is_one_letter_and_changes_nothing(desk: Desk) -> None:
    await desk.index(death(1), death(1))
    before = await desk.everything()
    await desk.index(death(1, error=ValueError("another text")))
    assert await desk.everything() == before


async def test_what_fails_again_is_the_same_letter_once_more_dead(desk: Desk) -> None:
    first = death(1)
    await desk.index(first)
    (before,) = await desk.letters()
    await redriven(desk)
    assert await desk.states() == {1: "redriven"}
    await desk.index(died_again(first, 1, error="worse", attempts=9))
    (after,) = await desk.letters()
    assert (after.id, after.state, after.redrives) == (before.id, State.DEAD, 1)
    assert (after.error, after.attempts) == ("worse", 9)
    assert await desk.history(after.id) == [("died", 0), ("redriven", 1), ("died", 1)]


async def test_old_news_changes_nothing_whatever_the_state(desk: Desk) -> None:
    first = death(1)
    await desk.index(first)
    await redriven(desk)
    await desk.index(died_again(first, 1))
    await redriven(desk)
    for news in (first, died_again(first, 1), resolved_of(first, 1)):
        before = await desk.everything()
        await desk.index(news)
        assert await desk.everything() == before
    await desk.index(resolved_of(first, 2))
    assert await desk.states() == {1: "resolved"}
    before = await desk.everything()
    await desk.index(first, died_again(first, 1), died_again(first, 2), resolved_of(first, 2))
    assert await desk.everything() == before


async def test_what_was_discarded_stays_so_when_it_is_told_again(desk: Desk) -> None:
    first = death(1)
    await desk.index(first)
    await redriven(desk)
    discard = order_of(Kind.DISCARD, state=State.REDRIVEN)
    await redrive_runs.work_to_the_end(desk, await redrive_runs.begin(desk, discard))
    before = await desk.everything()
    await desk.index(first, died_again(first, 1), resolved_of(first, 1))
    assert await desk.everything() == before
    assert await desk.states() == {1: "discarded"}


async def test_an_index_that_starts_anew_takes_the_latest_of_what_it_reads(desk: Desk) -> None:
    first = death(1)
    await desk.index(first, died_again(first, 1), died_again(first, 2), resolved_of(first, 3))
    (letter,) = await desk.letters()
    assert (letter.state, letter.redrives) == (State.RESOLVED, 3)


async def test_a_resolved_message_that_the_index_never_saw_is_no_letter(desk: Desk) -> None:
    await desk.index(resolved_of(death(1), 1))
    assert await desk.letters() == []


async def test_any_record_of_a_dlq_topic_becomes_a_letter(desk: Desk) -> None:
    bare = Message(topic="x.v1.dlq", partition=3, offset=2**62, key=None, value=None)
    odd = Message(
        topic="x.v1.dlq",
        partition=3,
        offset=9,
        key=KEY,
        value=b"\x00\xff" * 100_000,
        headers=(("dlq-group", b""), ("dlq-partition", b"-1"), ("a\x00b", b"\x00"), ("ce_type", b"\xff\x00")),
        timestamp_ms=-(2**63),
    )
    await desk.index(death_of(bare), death_of(odd))
    letters = await desk.letters()
    assert [(letter.group, letter.origin) for letter in letters] == [
        ("unknown", Origin("x.v1.dlq", 3, 2**62)),
        ("unknown", Origin("x.v1.dlq", 3, 9)),
    ]
    whole = await dead_letters.show(desk, letters[1].id)
    assert (whole.letter.key, whole.value) == (KEY, b"\x00\xff" * 100_000)


async def test_letters_of_one_millisecond_are_listed_in_the_order_in_which_they_came(desk: Desk) -> None:
    await desk.index(*(death(offset) for offset in range(300)))
    assert [letter.origin.offset for letter in await desk.letters()] == list(range(300))


async def test_pages_meet_without_a_gap_or_an_overlap(desk: Desk) -> None:
    await desk.index(*(death(offset) for offset in range(25)))
    seen: list[int] = []
    before: int | None = None
    while True:
        page, before = await dead_letters.page(desk, Filter(), before=before, limit=10)
        seen += [letter.origin.offset for letter in page]
        if before is None:
            break
    assert seen == list(range(24, -1, -1))


async def test_the_key_of_a_letter_that_came_back_is_that_of_its_first_place(desk: Desk) -> None:
    headers = {"origin-topic": "t.v1", "origin-partition": "0", "origin-offset": "1", "dlq-redrives": "1"}
    back = message_of(
        5, topic="orders.retry.redrive", headers=tuple((n, v.encode()) for n, v in headers.items())
    )
    await desk.index(death(1))
    await redriven(desk)
    await desk.index(death_of(buried(back)))
    (letter,) = await desk.letters()
    assert (letter.state, letter.redrives, letter.origin) == (State.DEAD, 1, Origin("t.v1", 0, 1))
