"""CloudEvents headers and identifiers."""

import uuid
from datetime import UTC, datetime

from chassis.ids import uuid7
from chassis.outbox import Event
from chassis.records import Message, Origin, cloudevent_attributes, cloudevent_headers, origin_headers


def test_an_event_becomes_a_cloudevent_in_binary_mode() -> None:
    headers = cloudevent_headers(
        event_id="e1",
        source="/shortener",
        event_type="shortener.link-changed.v1",
        time=datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
        subject="link/1",
        sequence=7,
    )
    assert cloudevent_attributes(headers) == {
        "specversion": "1.0",
        "id": "e1",
        "source": "/shortener",
        "type": "shortener.link-changed.v1",
        "time": "2026-01-02T03:04:05.678Z",
        "subject": "link/1",
        "sequence": "7",
    }
    assert ("content-type", b"application/json") in headers


def test_topic_and_source_follow_from_the_type() -> None:
    record = Event(type="orders.order-placed.v1", key="o1", data={"n": 1}).record()
    assert record.topic == "orders.order-placed.v1"
    assert record.key == b"o1"
    assert record.value == b'{"n":1}'
    assert cloudevent_attributes(record.headers)["source"] == "/orders"


def test_a_trace_given_by_hand_travels_in_the_headers() -> None:
    traceparent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    record = Event(type="t.x.v1", key="k", data=None, traceparent=traceparent).record()
    assert dict(record.headers)["traceparent"] == traceparent.encode()


def test_a_record_that_is_no_cloudevent_is_named_by_its_place() -> None:
    message = Message(topic="t", partition=3, offset=42, key=None, value=b"")
    assert message.event_id == "t/3/42"
    assert message.traceparent is None


def test_the_last_header_of_a_name_wins() -> None:
    message = Message("t", 0, 0, None, b"", (("a", b"1"), ("b", b"2"), ("a", b"3")))
    assert message.header("a") == b"3"
    assert message.header("c") is None


def test_version_7_identifiers_sort_by_their_millisecond() -> None:
    made = [uuid7() for _ in range(1000)]
    assert all(one.version == 7 and one.variant == uuid.RFC_4122 for one in made)
    assert len(set(made)) == len(made)
    stamps = [one.int >> 80 for one in made]
    assert stamps == sorted(stamps)


def test_a_message_that_came_back_names_its_first_place() -> None:
    headers = (("origin-topic", b"t"), ("origin-partition", b"3"), ("origin-offset", b"42"))
    message = Message("g.retry.5s", 0, 7, None, b"", headers)
    assert message.origin == Origin("t", 3, 42)
    assert message.event_id == "t/3/42"
    assert origin_headers(message) == list(headers)


def test_a_message_that_never_left_is_its_own_origin() -> None:
    message = Message("t", 3, 42, None, b"", (("origin-topic", b"t"), ("origin-partition", b"x")))
    assert message.origin == Origin("t", 3, 42)
    first = Message("t", 3, 42, None, b"", (("x", b"1"),))
    assert origin_headers(first) == [
        ("x", b"1"),
        ("origin-topic", b"t"),
        ("origin-partition", b"3"),
        ("origin-offset", b"42"),
    ]


def test_type_and_redrives_are_read_from_the_headers() -> None:
    message = Message("t", 0, 0, None, b"", (("ce_type", b"a.b-done.v1"), ("dlq-redrives", b"2")))
    assert (message.event_type, message.redrives) == ("a.b-done.v1", 2)
    stranger = Message("t", 0, 0, None, b"", (("dlq-redrives", b"many"),))
    assert (stranger.event_type, stranger.redrives) == (None, 0)
