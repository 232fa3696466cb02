"""Which requests a fault strikes."""

from typing import Any

import pytest
from bank.domain.faults import Fault, FaultKind
from bank.faults import CardFaults, Switch, operation_of

CHARGE = b'{"amount": 1, "card": "bank_error"}'


def scope(method: str, path: str, key: bytes | None = None) -> dict[str, Any]:
    headers = [] if key is None else [(b"idempotency-key", key)]
    return {"type": "http", "method": method, "path": path, "headers": headers}


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/v1/charges", "authorise"),
        ("POST", "/v1/charges/bch_1/capture", "capture"),
        ("POST", "/v1/charges/bch_1/void", "void"),
        ("POST", "/v1/charges/bch_1/refunds", "refund"),
        ("GET", "/v1/charges/bch_1", "look_up"),
        ("GET", "/v1/charges", "look_up"),
        ("POST", "/admin/faults", None),
        ("GET", "/admin/book", None),
        ("GET", "/readyz", None),
    ],
)
def test_faults_know_the_processor_and_never_touch_the_rest(
    method: str, path: str, operation: str | None
) -> None:
    assert operation_of(scope(method, path)) == operation


def test_nothing_strikes_outside_of_requests() -> None:
    assert operation_of({"type": "lifespan"}) is None


@pytest.mark.parametrize(("roll", "struck"), [(0.0, True), (0.29, True), (0.3, False), (0.99, False)])
def test_a_probability_is_the_share_that_is_struck(roll: float, *, struck: bool) -> None:
    switch = Switch(roll=lambda: roll)
    switch.fault = Fault(FaultKind.ERROR, probability=0.3)
    assert (switch.draw("capture") is not None) is struck


def test_a_card_strikes_the_first_attempt_of_a_key_only() -> None:
    cards = CardFaults(kept_max=10)
    drawn = [cards.draw(scope("POST", "/v1/charges", key), CHARGE) for key in (b"a", b"a", b"b", b"b")]
    assert [fault.kind if fault else None for fault in drawn] == [
        FaultKind.ERROR,
        None,
        FaultKind.ERROR,
        None,
    ]


def test_only_so_many_keys_are_remembered() -> None:
    cards = CardFaults(kept_max=2)
    for key in (b"a", b"b", b"c"):
        cards.draw(scope("POST", "/v1/charges", key), CHARGE)
    assert cards.draw(scope("POST", "/v1/charges", b"a"), CHARGE) is not None
    assert cards.draw(scope("POST", "/v1/charges", b"c"), CHARGE) is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"card": 3}', b'{"card": "bank_visa"}', b'{"card": "x"}']
)
def test_other_bodies_bring_no_fault(body: bytes) -> None:
    assert CardFaults(kept_max=1).draw(scope("POST", "/v1/charges", b"a"), body) is None


def test_a_request_without_a_key_brings_no_fault() -> None:
    assert CardFaults(kept_max=1).draw(scope("POST", "/v1/charges"), CHARGE) is None
