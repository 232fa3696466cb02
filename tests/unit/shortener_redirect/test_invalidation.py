"""How changes are packed into notifications."""

from shortener.invalidation import PAYLOAD_BYTES_MAX, Change, parse_payload, payloads


def test_thousands_of_changes_take_few_notifications_and_none_is_lost() -> None:
    changes = [Change(f"sömething-{n}", n) for n in range(10_000)]
    packed = list(payloads(changes))
    assert len(packed) < 40
    assert max(len(payload.encode()) for payload in packed) <= PAYLOAD_BYTES_MAX
    assert [change for payload in packed for change in parse_payload(payload)] == changes


def test_nothing_changed_is_nothing_told() -> None:
    assert list(payloads([])) == []
