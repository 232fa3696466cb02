"""The names of events: what an endpoint may ask for, and what a list's filter means."""

import pytest
from payments.domain import event_types

OURS = [
    "payment_intent.created", "payment_intent.succeeded", "payment_intent.payment_failed",
    "payment_intent.processing", "payment_intent.requires_action", "payment_intent.canceled",
    "payment_intent.amount_capturable_updated", "charge.succeeded", "charge.failed", "charge.captured",
    "charge.refunded", "charge.updated", "refund.created", "refund.updated", "refund.failed",
    "customer.created", "customer.updated", "customer.deleted", "payment_method.attached",
    "payment_method.updated", "payment_method.detached", "setup_intent.created", "setup_intent.succeeded",
    "setup_intent.requires_action", "setup_intent.setup_failed", "setup_intent.canceled",
]  # fmt: skip


@pytest.mark.parametrize("name", OURS)
def test_every_event_of_ours_may_be_asked_for(name: str) -> None:
    assert name in event_types.NAMES


def test_a_group_is_all_names_under_it() -> None:
    assert set(event_types.matching("payment_method.*")) == {
        "payment_method.attached", "payment_method.automatically_updated", "payment_method.detached",
        "payment_method.updated",
    }  # fmt: skip
    assert "charge.dispute.created" in event_types.matching("charge.*")
    assert set(event_types.matching("*")) == event_types.NAMES


def test_a_name_is_itself_and_a_group_that_nobody_knows_is_empty() -> None:
    assert event_types.matching("charge.refunded") == ["charge.refunded"]
    assert event_types.matching("nonsense.*") == []
