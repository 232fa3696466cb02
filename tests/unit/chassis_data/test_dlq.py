"""What a dead letter keeps and what it tells."""

from chassis.dlq import DeadLetter, graves_of, record_of, redrive_record
from chassis.records import Message, Origin
from chassis.retry import Kind

BYTES = b"\xff\x00not json"


def letter(headers: tuple[tuple[str, bytes], ...] = (), error: Exception | None = None) -> DeadLetter:
    message = Message("orders.order-placed.v1", 2, 77, b"\xfe key", BYTES, headers, 1234)
    return DeadLetter(message, error or ValueError("boom"), Kind.POISON, 4)


def test_the_original_bytes_and_headers_are_kept() -> None:
    record = record_of(letter((("traceparent", b"00-1"), ("x", b"\xff"))), "inventory")
    assert record.topic == "orders.order-placed.v1.dlq"
    assert (record.key, record.value) == (b"\xfe key", BYTES)
    assert ("traceparent", b"00-1") in record.headers
    assert ("x", b"\xff") in record.headers


def test_headers_tell_where_why_and_how_often_it_failed() -> None:
    told = dict(record_of(letter(), "inventory").headers)
    assert told.pop("dlq-failed-at")
    assert told == {
        "dlq-group": b"inventory",
        "dlq-topic": b"orders.order-placed.v1",
        "dlq-partition": b"2",
        "dlq-offset": b"77",
        "dlq-timestamp-ms": b"1234",
        "dlq-reason": b"poison",
        "dlq-error-class": b"ValueError",
        "dlq-error": b"boom",
        "dlq-attempts": b"4",
    }


def test_a_second_death_replaces_the_story_of_the_first_but_counts_redrives() -> None:
    earlier = (("dlq-error", b"old"), ("dlq-redrives", b"1"), ("ce_id", b"e"))
    names = [name for name, _ in record_of(letter(earlier), "g").headers]
    assert names.count("dlq-error") == 1
    assert names.count("dlq-redrives") == 1
    assert "ce_id" in names


def test_an_endless_error_text_is_cut() -> None:
    told = dict(record_of(letter(error=ValueError("x" * 100_000)), "g").headers)
    assert len(told["dlq-error"]) == 1000


def test_a_redriven_letter_carries_what_it_was_and_nothing_of_its_death() -> None:
    origin = Origin("orders.order-placed.v1", 2, 77)
    died = record_of(letter((("traceparent", b"00-1"), ("x", b"\xff"), ("retry-error", b"e"))), "inventory")
    record = redrive_record(
        "inventory", origin, key=died.key, value=died.value, headers=died.headers, redrives=3
    )
    assert record.topic == "inventory.retry.redrive"
    assert (record.key, record.value) == (b"\xfe key", BYTES)
    assert dict(record.headers) == {
        "traceparent": b"00-1",
        "x": b"\xff",
        "origin-topic": b"orders.order-placed.v1",
        "origin-partition": b"2",
        "origin-offset": b"77",
        "dlq-redrives": b"3",
    }


def test_a_message_that_came_back_is_buried_where_it_was_the_first_time() -> None:
    origin = Origin("orders.order-placed.v1", 2, 77)
    back = redrive_record("inventory", origin, key=None, value=BYTES, headers=(), redrives=1)
    message = Message(back.topic, 0, 5, back.key, back.value, tuple(back.headers))
    record = record_of(DeadLetter(message, ValueError("boom"), Kind.POISON, 1), "inventory")
    told = dict(record.headers)
    assert record.topic == "orders.order-placed.v1.dlq"
    assert (told["dlq-topic"], told["dlq-partition"], told["dlq-offset"]) == (
        b"orders.order-placed.v1",
        b"2",
        b"77",
    )
    assert told["dlq-redrives"] == b"1"


def test_who_names_no_origin_on_a_detour_is_buried_at_home() -> None:
    grave = graves_of("home.v1", ["g.retry.redrive"])
    assert grave(Message("g.retry.redrive", 0, 0, None, None)) == "home.v1.dlq"
    assert grave(Message("other.v1", 0, 0, None, None)) == "other.v1.dlq"
