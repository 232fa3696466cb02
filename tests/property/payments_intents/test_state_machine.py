"""Whatever happens to an intent, in whatever order it may, its row stays one that the table takes."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from payments.domain import payment_intents as domain
from payments.domain.payment_intents import PaymentIntent, Status

AT = datetime(2026, 1, 2, tzinfo=UTC)
Move = Callable[[PaymentIntent, int], PaymentIntent]

# What may happen in a state, as the use cases allow it.
FROM: Mapping[Status, tuple[Move, ...]] = {
    Status.REQUIRES_PAYMENT_METHOD: (
        lambda intent, _: domain.with_payment_method(intent, "pm_1"),
        lambda intent, _: domain.canceled(intent, None, AT),
    ),
    Status.REQUIRES_CONFIRMATION: (
        lambda intent, _: domain.confirming(intent),
        lambda intent, _: domain.requiring_action(intent, "token", "https://x", None),
        lambda intent, _: domain.with_payment_method(intent, None),
        lambda intent, _: domain.canceled(intent, "duplicate", AT),
    ),
    Status.REQUIRES_ACTION: (
        lambda intent, _: domain.authenticated(intent),
        lambda intent, _: domain.failed(intent, {"code": "x"}),
        lambda intent, _: domain.with_payment_method(intent, "pm_2"),
        lambda intent, _: domain.canceled(intent, None, AT),
    ),
    Status.REQUIRES_CAPTURE: (lambda intent, _: domain.asking(intent),),
    Status.SUCCEEDED: (),
    Status.CANCELED: (),
}


def processed(intent: PaymentIntent, number: int) -> PaymentIntent:
    """What the bank's answer makes of it: there is a charge once it said yes."""
    if intent.amount_capturable:
        choices: tuple[PaymentIntent, ...] = (
            domain.captured(intent, 1 + number % intent.amount_capturable),
            domain.canceled(intent, None, AT),
            domain.not_moved(intent),
        )
    else:
        choices = (
            domain.authorised(intent, "ch_1"),
            domain.failed(intent, {"code": "card_declined"}, "ch_2"),
            domain.requiring_action(intent, "token", "https://x", None),
        )
    return choices[number % len(choices)]


@given(st.booleans(), st.integers(1, 10**8), st.lists(st.integers(0, 10**9), max_size=30))
def test_every_walk_keeps_the_money_and_the_state_together(
    later: bool,  # noqa: FBT001
    amount: int,
    turns: list[int],
) -> None:
    intent = PaymentIntent(
        id="pi_1",
        account_id="acct_1",
        status=Status.REQUIRES_PAYMENT_METHOD,
        amount=amount,
        currency="usd",
        capture_method="manual" if later else "automatic",
        confirmation_method="automatic",
        client_secret="s",
        created_at=AT,
        details={},
        metadata={},
    )
    for turn in turns:
        before = intent
        if intent.status is Status.PROCESSING:
            intent = processed(intent, turn)
        elif moves := FROM[intent.status]:
            intent = moves[turn % len(moves)](intent, turn)
        _check(before, intent)


def _check(before: PaymentIntent, intent: PaymentIntent) -> None:
    assert 0 <= intent.amount_received <= intent.amount
    assert 0 <= intent.amount_capturable <= intent.amount
    assert not (intent.amount_received and intent.amount_capturable)
    assert (intent.amount_received > 0) == (intent.status is Status.SUCCEEDED)
    assert (intent.canceled_at is not None) == (intent.status is Status.CANCELED)
    if intent.amount_capturable:
        assert intent.status in {Status.REQUIRES_CAPTURE, Status.PROCESSING}
    assert (intent.authentication_token is not None) == (intent.status is Status.REQUIRES_ACTION)
    assert (intent.next_action is not None) == (intent.status is Status.REQUIRES_ACTION)
    if intent.status is Status.REQUIRES_PAYMENT_METHOD:
        assert intent.payment_method is None
    if before.status in {Status.SUCCEEDED, Status.CANCELED}:
        assert replace(intent) == before
