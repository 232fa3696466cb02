"""The smoke test's own reading of a webhook's signature, against the one who defined it."""

import json

import pytest
from stripe import WebhookSignature

from infra.docker.smoke_payments import _verified
from infra.local.demo.receiver import Delivery

SECRET = "whsec_of_the_smoke_test"
BODY = json.dumps({"data": {"object": {"id": "pi_1"}}}).encode()
AT = 1_795_000_000  # the same for every worker that collects this file


def delivered(signature: str, body: bytes = BODY) -> Delivery:
    return Delivery({"stripe-signature": signature}, body)


def signed(secret: str) -> str:
    return f"t={AT},v1={WebhookSignature._compute_signature(f'{AT}.{BODY.decode()}', secret)}"


def test_a_delivery_signed_as_stripe_signs_is_taken() -> None:
    assert _verified(delivered(signed(SECRET)), SECRET) == "pi_1"


@pytest.mark.parametrize("signature", ["", "t=1", "v1=00", "nonsense", signed("another")])
def test_any_other_signature_is_refused(signature: str) -> None:
    assert _verified(delivered(signature), SECRET) == ""


def test_a_body_that_was_changed_on_the_way_is_refused() -> None:
    assert _verified(delivered(signed(SECRET), BODY + b" "), SECRET) == ""
