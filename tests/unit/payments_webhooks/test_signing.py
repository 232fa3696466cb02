"""Signatures: the official verifiers take ours, and nothing else."""

import base64
import json
import time

import pytest
import standardwebhooks
import stripe
from payments.domain import signing

BODY = json.dumps({"id": "evt_1", "object": "event", "text": "ünïcode"}, ensure_ascii=False).encode()
MESSAGE = "evt_1"


def signed(*secrets: str, at: int | None = None) -> dict[str, str]:
    at = int(time.time()) if at is None else at
    return signing.headers(secrets_=secrets, message_id=MESSAGE, at=at, body=BODY)


def stripe_takes(headers: dict[str, str], secret: str, body: bytes = BODY) -> bool:
    try:
        stripe.Webhook.construct_event(body, headers["Stripe-Signature"], secret)
    except stripe.SignatureVerificationError:
        return False
    return True


def standard_takes(headers: dict[str, str], secret: str, body: bytes = BODY) -> bool:
    try:
        standardwebhooks.Webhook(secret).verify(body, headers)
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def test_a_secret_is_32_random_bytes_in_base64_behind_its_prefix() -> None:
    secrets = {signing.new_secret() for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        prefix, _, text = secret.partition("_")
        assert prefix == "whsec"
        assert len(base64.b64decode(text, validate=True)) == 32


def test_both_official_verifiers_take_the_same_delivery() -> None:
    secret = signing.new_secret()
    headers = signed(secret)
    assert stripe_takes(headers, secret)
    assert standard_takes(headers, secret)


def test_another_secret_another_body_and_an_old_attempt_are_refused() -> None:
    secret = signing.new_secret()
    headers, stale = signed(secret), signed(secret, at=int(time.time()) - 600)
    for takes in (stripe_takes, standard_takes):
        assert not takes(headers, signing.new_secret())
        assert not takes(headers, secret, BODY + b" ")
        assert not takes(stale, secret)


def test_while_two_secrets_overlap_each_verifies() -> None:
    new, old = signing.new_secret(), signing.new_secret()
    headers = signed(new, old)
    for secret in (new, old):
        assert stripe_takes(headers, secret)
        assert standard_takes(headers, secret)
    assert headers["Stripe-Signature"].count("v1=") == 2
    assert len(headers["webhook-signature"].split(" ")) == 2


def test_the_time_of_both_is_that_of_the_attempt() -> None:
    headers = signed(signing.new_secret(), at=1_700_000_000)
    assert headers["Stripe-Signature"].startswith("t=1700000000,v1=")
    assert headers["webhook-timestamp"] == "1700000000"
    assert headers["webhook-id"] == MESSAGE


@pytest.mark.parametrize("length", [0, 1, 100_000])
def test_bodies_of_any_length_are_signed(length: int) -> None:
    secret, body = signing.new_secret(), b"{" + b" " * length + b"}"
    headers = signing.headers(secrets_=[secret], message_id=MESSAGE, at=int(time.time()), body=body)
    assert stripe_takes(headers, secret, body)
    assert standard_takes(headers, secret, body)
