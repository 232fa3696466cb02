"""What a process remembers of a tenant's series, within bounds."""

import numpy as np
from metrics_ingest.domain.known import FORM_BYTES_MAX, Known


def hashes(count: int) -> list[bytes]:
    return [number.to_bytes(16, "big") for number in range(count)]


def test_slots_are_used_again_and_times_do_not_outlive_their_series() -> None:
    known = Known(series_max=1000, refused_max=10)
    for one in hashes(1000):
        known.learn(one, known.add(one, 100))
    known.forget(hashes(1000)[:500])
    assert (len(known), len(known.forms)) == (500, 500)
    slots = [known.add(b"new" + one, 200) for one in hashes(500)]
    assert max(slots) < 1000
    assert len(known.idle(150)) == 500
    assert known.idle(100) == []


def test_a_series_is_due_when_it_was_seen_since_it_was_told_of() -> None:
    known = Known(series_max=10, refused_max=10)
    slots = [known.add(one, 100) for one in hashes(3)]
    known.mark(np.array([slots[0], slots[2], -1, -5]), 400)
    assert known.due(300, 10) == [(hashes(3)[0], 400), (hashes(3)[2], 400)]
    assert known.due(300, 1) == [(hashes(3)[0], 400)]
    assert known.due(100, 10) == []
    known.touched(hashes(3)[0], 400)
    assert known.due(300, 10) == [(hashes(3)[2], 400)]


def test_refusals_are_remembered_up_to_a_number_and_forgotten_together() -> None:
    known = Known(series_max=10, refused_max=2)
    codes = {known.refuse(b"%d" % number, "new_series_limit") for number in range(3)}
    assert (len(codes), known.refusals, len(known.forms)) == (1, 2, 2)
    known.learn(b"good", 1)
    known.pardon()
    assert known.forms == {b"good": 1}


def test_spellings_of_a_series_are_bounded() -> None:
    known = Known(series_max=1, refused_max=2)
    for number in range(10_000):
        known.learn(b"%d" % number, 1)
        known.order(b"%d" % number, b"x")
    assert len(known.forms) <= known.forms_max
    assert len(known.orders) <= known.forms_max


def test_what_is_remembered_is_bounded_in_bytes_whatever_it_is() -> None:
    known = Known(series_max=10_000, refused_max=10_000, bytes_max=50_000)
    for number in range(1000):
        known.learn(b"%1000d" % number, 1)
        known.refuse(b"r%1000d" % number, "reserved_label")
        known.order(b"o%1000d" % number, bytes(1000))
        assert known.bytes_held <= 50_000
        assert sum(map(len, (*known.forms, *known.orders, *known.orders.values()))) <= known.bytes_held
    known.learn(b"x" * (FORM_BYTES_MAX + 1), 1)
    known.refuse(b"y" * (FORM_BYTES_MAX + 1), "reserved_label")
    assert max(map(len, known.forms)) <= FORM_BYTES_MAX


def test_what_is_forgotten_gives_its_bytes_back() -> None:
    known = Known(series_max=10, refused_max=10)
    for one in hashes(5):
        known.learn(one, known.add(one, 100))
    known.refuse(b"bad", "reserved_label")
    known.refuse(b"bad", "reserved_label")
    assert known.refusals == 1
    known.pardon()
    known.forget(hashes(5))
    assert (known.bytes_held, known.forms) == (0, {})
