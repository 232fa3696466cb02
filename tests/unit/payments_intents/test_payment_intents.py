"""The state machine of a payment intent, without a socket."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from payments.domain import payment_intents as domain
from payments.domain.payment_intents import PaymentIntent, Status

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def intent(status: Status = Status.REQUIRES_PAYMENT_METHOD, **more: object) -> PaymentIntent:
    made = PaymentIntent(
        id="pi_1",
        account_id="acct_1",
        status=status,
        amount=2000,
        currency="usd",
        capture_method="automatic",
        confirmation_method="automatic",
        client_secret="pi_1_secret_2",
        created_at=AT,
        details={},
        metadata={},
    )
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", Status)
def test_each_state_allows_what_it_should(status: Status) -> None:
    allowed = {
        "confirm": {"requires_payment_method", "requires_confirmation", "requires_action"},
        "capture": {"requires_capture"},
        "cancel": {
            "requires_payment_method",
            "requires_confirmation",
            "requires_action",
            "requires_capture",
        },
    }
    states = {"confirm": domain.CONFIRMABLE, "capture": domain.CAPTURABLE, "cancel": domain.CANCELABLE}
    for verb, wanted in allowed.items():
        why = domain.refusal(intent(status), verb, verb, states[verb])
        assert (why is None) == (status in wanted)
        assert why is None or verb in why


def test_an_automatic_capture_takes_the_whole_amount() -> None:
    paid = domain.authorised(domain.confirming(intent()), "ch_1")

    assert (paid.status, paid.amount_received, paid.amount_capturable) == (Status.SUCCEEDED, 2000, 0)
    assert paid.latest_charge == "ch_1"


def test_a_manual_capture_holds_it_until_a_part_is_taken() -> None:
    held = domain.authorised(domain.confirming(intent(capture_method="manual")), "ch_1")
    assert (held.status, held.amount_received, held.amount_capturable) == (
        Status.REQUIRES_CAPTURE,
        0,
        2000,
    )
    taken = domain.captured(domain.asking(held), 500)
    assert (taken.status, taken.amount_received, taken.amount_capturable) == (Status.SUCCEEDED, 500, 0)
    assert domain.not_moved(domain.asking(held)) == held


def test_a_failure_takes_the_payment_method_away_and_keeps_the_last_charge() -> None:
    tried = domain.failed(intent(payment_method="pm_1", latest_charge="ch_0"), {"code": "x"})

    assert (tried.status, tried.payment_method) == (Status.REQUIRES_PAYMENT_METHOD, None)
    assert (tried.last_payment_error, tried.latest_charge) == ({"code": "x"}, "ch_0")
    assert domain.failed(tried, {"code": "y"}, "ch_1").latest_charge == "ch_1"


def test_authentication_is_good_for_the_method_it_was_given_for() -> None:
    waiting = domain.requiring_action(intent(payment_method="pm_1"), "token", "https://x/token", None)
    assert waiting.next_action == {
        "redirect_to_url": {"return_url": None, "url": "https://x/token"},
        "type": "redirect_to_url",
    }
    agreed = domain.authenticated(waiting)
    assert (agreed.authenticated, agreed.authentication_token, agreed.next_action) == (True, None, None)
    assert domain.confirming(agreed).authenticated
    assert not domain.with_payment_method(agreed, "pm_2").authenticated


def test_a_canceled_intent_has_neither_page_nor_held_money() -> None:
    waiting = domain.requiring_action(intent(), "token", "https://x/token", None)
    gone = domain.canceled(waiting, "abandoned", AT)

    assert (gone.status, gone.cancellation_reason, gone.canceled_at) == (Status.CANCELED, "abandoned", AT)
    assert (gone.authentication_token, gone.next_action, gone.amount_capturable) == (None, None, 0)
    assert domain.render(gone)["canceled_at"] == int(AT.timestamp())


def test_terms_are_settled_once_money_may_have_moved() -> None:
    for status in Status:
        settled = status not in domain.CONFIRMABLE
        assert (domain.refused_term(intent(status), ["metadata", "amount"]) == "amount") == settled
        assert domain.refused_term(intent(status), ["metadata", "description"]) is None


def test_an_intent_is_shown_with_every_field_of_the_dialect() -> None:
    shown = domain.render(
        intent(details={"payment_method_options": {"card": {"request_three_d_secure": "any"}}})
    )

    assert shown["object"] == "payment_intent"
    assert shown["payment_method_options"]["card"]["request_three_d_secure"] == "any"
    assert shown["payment_method_types"] == ["card"]
    assert shown["created"] == int(AT.timestamp())
    assert "authentication_token" not in shown
