"""Webhooks: any body is signed so that both verifiers take it; any URL ends as public, allowed or refused."""

import json
import time

import standardwebhooks
import stripe
from chassis import weburls
from chassis.weburls import Allowed, UrlRefused
from hypothesis import given
from hypothesis import strategies as st
from payments.domain import signing
from payments.domain.webhook_endpoints import receiver

documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
hosts = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.ip_addresses(v=4).map(lambda address: str(int(address))),
    st.ip_addresses(v=4).map(lambda address: f"[::ffff:{address}]"),
    st.ip_addresses(v=4).map(lambda address: hex(int(address))),
    st.from_regex(r"[a-z0-9.-]{1,30}", fullmatch=True),
)


@given(documents, st.lists(st.builds(signing.new_secret), min_size=1, max_size=2))
def test_both_verifiers_take_any_body_under_each_secret(document: object, secrets: list[str]) -> None:
    body = json.dumps({"id": "evt_1", "object": "event", "data": document}, ensure_ascii=False).encode()
    headers = signing.headers(secrets_=secrets, message_id="evt_1", at=int(time.time()), body=body)
    for secret in secrets:
        stripe.WebhookSignature.verify_header(body.decode(), headers["Stripe-Signature"], secret, 300)
        standardwebhooks.Webhook(secret).verify(body, headers)


@given(hosts, st.sampled_from(["http", "https"]))
def test_an_address_that_is_taken_is_public_and_wraps_no_other_or_is_allowed(host: str, scheme: str) -> None:
    allowed = Allowed.of(["127.0.0.0/8", "fd00::/8"])
    try:
        url = receiver(f"{scheme}://{host}/hook", allowed)
    except UrlRefused:
        return
    address = url.address
    if address is not None and not allowed.covers(address):
        assert weburls.is_public(address)
        assert address.version == 4 or weburls.wrapped(address) is None
