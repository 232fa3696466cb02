"""Cards, charges and faults without a server."""

from datetime import UTC, datetime

import pytest
from bank.domain.cards import CARDS
from bank.domain.charges import Authorisation, Charge, Status
from bank.domain.faults import Fault, FaultKind

AT = datetime(2026, 1, 2, tzinfo=UTC)


def charge(card: str = "bank_visa", *, capture: bool = True, declined: bool = False) -> Charge:
    wanted = Authorisation(
        amount=10, currency="eur", card=card, capture=capture, authenticated=False, reference=None
    )
    return Charge.of(wanted, charge_id="bch_1", key="k", at=AT, declined=declined)


@pytest.mark.parametrize("card", CARDS)
def test_what_is_declined_is_not_captured_and_says_why(card: str) -> None:
    made = charge(card)
    assert (made.status is Status.DECLINED) == (made.decline_code is not None) == (made.captured == 0)


def test_a_fault_declines_whatever_the_card() -> None:
    made = charge(declined=True)
    assert (made.status, made.decline_code, made.captured) == (Status.DECLINED, "generic_decline", 0)


def test_a_held_charge_has_nothing_to_refund() -> None:
    assert (charge(capture=False).status, charge(capture=False).refundable) == (Status.AUTHORISED, 0)


@pytest.mark.parametrize("kind", FaultKind)
def test_only_an_outage_strikes_look_ups(kind: FaultKind) -> None:
    assert Fault(kind).hits("look_up") is (kind is FaultKind.OUTAGE)
    assert Fault(kind).hits("refund")


@pytest.mark.parametrize(
    ("fault", "delay_s"),
    [
        (Fault(FaultKind.SLOW), 2.0),
        (Fault(FaultKind.HANG), 60.0),
        (Fault(FaultKind.SLOW, delay_ms=0), 0.0),
        (Fault(FaultKind.HANG, delay_ms=90_000), 60.0),
    ],
)
def test_a_delay_has_a_default_and_a_maximum(fault: Fault, delay_s: float) -> None:
    assert fault.delay_s == delay_s
