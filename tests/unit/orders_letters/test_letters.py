"""What a record of a DLQ topic says, and what may be done to a letter."""

from datetime import UTC, datetime

import pytest
from chassis.records import Message, Origin
from orders.domain.letters import Kind, State, death_of

from tests.support.letters import AT, TRACE_ID, buried, message_of


def test_a_buried_message_tells_its_first_place_and_its_own() -> None:
    death = death_of(buried(message_of(7, key="order-1"), group="inventory"))
    assert (death.group, death.origin, death.place) == (
        "inventory",
        Origin("t.v1", 0, 7),
        Origin("t.v1.dlq", 0, 7),
    )
    assert (death.key, death.value, death.event_type) == (b"order-1", b'{"n": 7}', "t.happened.v1")
    assert (death.reason, death.error_class, death.error) == ("permanent", "Misfit", "does not fit")
    assert (death.attempts, death.redrives, death.trace_id, death.failed_at) == (4, 0, TRACE_ID, AT)


def test_what_the_headers_do_not_tell_is_taken_from_the_record() -> None:
    death = death_of(Message("x.dlq", 2, 5, None, None, timestamp_ms=1_000))
    assert (death.group, death.origin) == ("unknown", Origin("x.dlq", 2, 5))
    assert (death.reason, death.error_class, death.error, death.attempts) == ("unknown", "unknown", "", 0)
    assert death.failed_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert death.trace_id is death.event_type is None


@pytest.mark.parametrize(
    "told",
    [
        {"dlq-partition": b"-1"},
        {"dlq-partition": b"2147483648"},
        {"dlq-offset": b"9223372036854775808"},
        {"dlq-offset": "\u0663".encode()},
        {"dlq-offset": b""},
        {"dlq-topic": b""},
    ],
)
def test_a_place_that_cannot_be_is_none(told: dict[str, bytes]) -> None:
    good = buried(message_of(7))
    headers = dict(good.headers) | told
    death = death_of(Message("x.dlq", 2, 5, None, None, tuple(headers.items())))
    assert death.origin == Origin("x.dlq", 2, 5)


def test_a_moment_without_an_offset_is_utc() -> None:
    headers = (("dlq-failed-at", b"2030-01-31T12:00:00"),)
    assert death_of(Message("x.dlq", 0, 0, None, None, headers)).failed_at == AT


@pytest.mark.parametrize(
    ("kind", "wanted", "taken"),
    [
        (Kind.REDRIVE, None, State.DEAD),
        (Kind.REDRIVE, State.DEAD, State.DEAD),
        (Kind.REDRIVE, State.REDRIVEN, None),
        (Kind.REDRIVE, State.RESOLVED, None),
        (Kind.REDRIVE, State.DISCARDED, None),
        (Kind.DISCARD, None, State.DEAD),
        (Kind.DISCARD, State.REDRIVEN, State.REDRIVEN),
        (Kind.DISCARD, State.RESOLVED, None),
        (Kind.DISCARD, State.DISCARDED, None),
    ],
)
def test_only_what_is_not_settled_is_taken(kind: Kind, wanted: State | None, taken: State | None) -> None:
    assert kind.takes(wanted) is taken
