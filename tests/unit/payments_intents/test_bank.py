"""What is asked of the bank, and what its answers mean, without a socket."""

from datetime import UTC, datetime

import msgspec
import pytest
from payments.bank import outcome_of, request_of
from payments.domain.operations import Declined, Done, Kind, Operation, Outcome, Refused, Unknown

AT = datetime(2026, 1, 2, tzinfo=UTC)


def op(kind: Kind) -> Operation:
    return Operation(
        id="bop_1",
        account_id="acct_1",
        kind=kind,
        intent_id="pi_1",
        amount=500,
        currency="usd",
        bank_key="bop_1",
        due_at=AT,
        created_at=AT,
        refund_id="re_1" if kind is Kind.REFUND else None,
        bank_charge_id=None if kind is Kind.AUTHORISE else "bch_1",
        context={"card": "bank_visa", "capture": False, "authenticated": True},
    )


def test_each_kind_asks_for_its_own() -> None:
    authorise, refund = request_of(op(Kind.AUTHORISE)), request_of(op(Kind.REFUND))

    assert authorise == (
        "/v1/charges",
        {
            "amount": 500,
            "currency": "usd",
            "card": "bank_visa",
            "capture": False,
            "authenticated": True,
            "reference": "pi_1",
        },
    )
    assert request_of(op(Kind.CAPTURE)) == ("/v1/charges/bch_1/capture", {"amount": 500})
    assert request_of(op(Kind.VOID)) == ("/v1/charges/bch_1/void", {})
    assert refund == ("/v1/charges/bch_1/refunds", {"amount": 500, "reference": "re_1"})


BOOKED = {"id": "bch_1", "status": "authorised", "decline_code": None}
REFUSED = {**BOOKED, "status": "declined", "decline_code": "lost_card"}


@pytest.mark.parametrize(
    ("kind", "status", "body", "outcome"),
    [
        (Kind.AUTHORISE, 201, BOOKED, Done(BOOKED)),
        (Kind.AUTHORISE, 201, REFUSED, Declined("lost_card", REFUSED)),
        (Kind.CAPTURE, 402, {"code": "declined"}, Declined("generic_decline", {"code": "declined"})),
        (Kind.VOID, 409, {"code": "wrong_state"}, Refused("wrong_state")),
        (Kind.VOID, 409, {"code": "idempotency_in_flight"}, Unknown("idempotency_in_flight")),
        (Kind.CAPTURE, 404, {"code": "charge_not_found"}, Refused("charge_not_found")),
        (Kind.CAPTURE, 401, {}, Unknown("http_401")),
        (Kind.AUTHORISE, 429, {}, Unknown("http_429")),
        (Kind.AUTHORISE, 500, {}, Unknown("http_500")),
        (Kind.REFUND, 201, {"status": "succeeded"}, Done({"status": "succeeded"})),
        (
            Kind.REFUND,
            201,
            {"status": "failed", "failure_reason": "declined"},
            Declined("declined", {"status": "failed", "failure_reason": "declined"}),
        ),
    ],
)
def test_an_answer_means_what_the_bank_decided(
    kind: Kind, status: int, body: dict[str, object], outcome: Outcome
) -> None:
    assert outcome_of(kind, status, msgspec.json.encode(body)) == outcome


def test_what_is_no_json_is_no_decision() -> None:
    with pytest.raises(msgspec.DecodeError):
        outcome_of(Kind.VOID, 200, b"<html>")
