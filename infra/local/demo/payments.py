"""What the demo does to payments through Stripe's own SDK, act by act, and what it expects of each."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import httpx
import stripe

from infra.local.demo.receiver import Delivery, Receiver
from infra.local.demo.story import Story
from infra.local.demo.traffic import Recorder, require_loopback, together
from infra.local.errors import LocalError

CHARGES = 60
REPEATS = 20
SAME_KEY_AT_ONCE = 20
WIDTH = 8
AMOUNT_MINOR = 2_000
REFUND_MINOR = 500
TIMEOUT_S = 35.0  # a confirm answers within 30 s, whatever the bank does
SETTLED_TIMEOUT_S = 30.0
POLL_S = 0.2


@dataclass(slots=True)
class ChargeStory(Story):
    """The intents that were confirmed, and the secret of the webhook endpoint that hears of them."""

    intents: list[Any] = field(default_factory=list)
    endpoint_id: str = ""
    endpoint_secret: str = ""


@dataclass(frozen=True, slots=True)
class Shop:
    """A merchant: the official SDK with its base address set to ours, every call timed."""

    sdk: stripe.StripeClient
    operator: httpx.AsyncClient
    addresses: dict[str, str]
    recorder: Recorder

    async def timed(self, kind: str, call: Awaitable[Any]) -> Any:
        started = time.monotonic()
        try:
            answer = await call
        except stripe.StripeError as error:
            self._note(kind, error.http_status or 0, started)
            raise
        self._note(kind, answer.last_response.code, started)
        return answer

    def _note(self, kind: str, status: int, started: float) -> None:
        self.recorder.note(kind, status, (time.monotonic() - started) * 1000)

    async def pay(self, kind: str, card: str, key: str) -> Any:
        """An intent that is created and confirmed in one call; the key stands in its metadata too."""
        made = self.sdk.v1.payment_intents.create_async(
            {
                "amount": AMOUNT_MINOR,
                "currency": "usd",
                "confirm": True,
                "payment_method": card,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "metadata": {"order": key},
            },
            {"idempotency_key": key},
        )
        return await self.timed(kind, made)

    async def operate(self, method: str, url: str, **options: Any) -> httpx.Response:
        """An operator's request: faults and proof."""
        answer = await self.operator.request(method, url, **options)
        return answer.raise_for_status()


@asynccontextmanager
async def opened(addresses: dict[str, str], recorder: Recorder) -> AsyncIterator[Shop]:
    for name in ("PAYMENTS_URL", "BANK_URL"):
        require_loopback(addresses[name], name)
    # The SDK's HTTP client heeds a proxy of the environment, which has no business on loopback.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    sdk = stripe.StripeClient(
        addresses["PAYMENTS_API_KEY"],
        base_addresses={"api": addresses["PAYMENTS_URL"]},
        http_client=stripe.HTTPXClient(timeout=TIMEOUT_S),
        max_network_retries=2,
    )
    admin = {"Authorization": f"Bearer {addresses['ADMIN_API_KEY']}"}
    async with httpx.AsyncClient(headers=admin, timeout=TIMEOUT_S, trust_env=False) as operator:
        try:
            yield Shop(sdk, operator, addresses, recorder)
        except (stripe.StripeError, httpx.HTTPError) as error:
            raise LocalError(
                f"payments answered otherwise than the demo expects: {error}",
                hint="make status, then make logs SERVICE=payments",
            ) from error


async def listen(shop: Shop, story: ChargeStory, receiver: Receiver) -> None:
    endpoints = shop.sdk.v1.webhook_endpoints
    made = await shop.timed(
        "create an endpoint",
        endpoints.create_async({"url": receiver.url, "enabled_events": ["payment_intent.succeeded"]}),
    )
    story.endpoint_id, story.endpoint_secret = made.id, made.secret


async def charge(shop: Shop, story: ChargeStory) -> None:
    """Charges with a key each; then some of them again, as a client does whose answer was lost."""

    def pay(kind: str, number: int) -> Callable[[], Awaitable[Any]]:
        return partial(shop.pay, kind, "pm_card_visa", f"demo-{story.run}-{number}")

    made = await together((pay("charge", n) for n in range(CHARGES)), width=WIDTH)
    statuses = Counter(intent.status for intent in made)
    seen = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    story.check(f"{CHARGES} charges succeed", statuses == {"succeeded": CHARGES}, seen)
    story.intents = made

    again = await together((pay("charge, replayed", n) for n in range(REPEATS)), width=WIDTH)
    same = sum(
        b.id == a.id and b.last_response.headers.get("idempotent-replayed") == "true"
        for a, b in zip(made, again, strict=False)
    )
    story.check(
        "the same key again gives the first charge, replayed", same == REPEATS, f"{same} of {REPEATS}"
    )

    once = pay("charge, one key at once", CHARGES)
    raced = await together(once for _ in range(SAME_KEY_AT_ONCE))
    different = {intent.id for intent in raced}
    claim = f"{SAME_KEY_AT_ONCE} requests with one key at once are one charge"
    story.check(claim, len(different) == 1, f"{len(different)} intent")


async def decline(shop: Shop, story: ChargeStory) -> None:
    try:
        key = f"demo-{story.run}-declined"
        seen = f"no error: {(await shop.pay('charge, declined', 'pm_card_chargeDeclined', key)).status}"
    except stripe.CardError as error:
        intent: Any = error.error and error.error.payment_intent
        seen = f"{error.http_status} {error.code}, intent {intent and intent.status}"
    wanted = f"{HTTPStatus.PAYMENT_REQUIRED} card_declined, intent requires_payment_method"
    story.check("a declined card is an error that says so", seen == wanted, seen)


async def lose_reply(shop: Shop, story: ChargeStory) -> None:
    """The bank charges, and its reply is lost: nobody may charge again, and nobody has to ask."""
    faults = f"{shop.addresses['BANK_URL']}/admin/faults"
    await shop.operate("POST", faults, json={"kind": "reply_lost", "probability": 1})
    try:
        key = f"demo-{story.run}-lost"
        intent = await shop.pay("charge, reply lost", "pm_card_visa", key)
        first = intent.status
    finally:
        await shop.operate("DELETE", faults)
    began = time.monotonic()
    while intent.status == "processing" and time.monotonic() - began < SETTLED_TIMEOUT_S:
        await asyncio.sleep(POLL_S)
        intent = await shop.timed("retrieve", shop.sdk.v1.payment_intents.retrieve_async(intent.id))
    charges = await shop.timed("list charges", shop.sdk.v1.charges.list_async({"payment_intent": intent.id}))
    story.check(
        "a charge whose reply was lost is found out and charged once",
        (first, intent.status, len(charges.data)) == ("processing", "succeeded", 1),
        f"{first}, then {intent.status} after {time.monotonic() - began:.1f} s, {len(charges.data)} charge",
    )


async def refund(shop: Shop, story: ChargeStory) -> None:
    """A part of a charge; then more than is left of it."""
    intent = story.intents[0]
    refunds = shop.sdk.v1.refunds
    part = refunds.create_async({"payment_intent": intent.id, "amount": REFUND_MINOR})
    made = await shop.timed("refund", part)
    charged = await shop.timed("retrieve a charge", shop.sdk.v1.charges.retrieve_async(intent.latest_charge))
    try:
        whole = refunds.create_async({"payment_intent": intent.id, "amount": AMOUNT_MINOR})
        await shop.timed("refund, too much", whole)
        refused = "not refused"
    except stripe.InvalidRequestError as error:
        refused = f"more is refused {error.http_status}"
    story.check(
        f"{REFUND_MINOR} of {AMOUNT_MINOR} are given back, and not more than is left",
        made.status == "succeeded" and charged.amount_refunded == REFUND_MINOR and refused.endswith("400"),
        f"{made.status}, {charged.amount_refunded} refunded, {refused}",
    )


async def hear(shop: Shop, story: ChargeStory, receiver: Receiver) -> None:
    """Every charge is told to the receiver, signed as the SDK verifies it."""
    wanted = {intent.id for intent in story.intents}
    began = time.monotonic()
    told: set[str] = set()
    while time.monotonic() - began < SETTLED_TIMEOUT_S:
        told = {_subject_of(delivery, story.endpoint_secret) for delivery in list(receiver.deliveries)}
        if wanted <= told:
            break
        await asyncio.sleep(POLL_S)
    story.check(
        "every charge is told by a webhook whose signature the SDK accepts",
        wanted <= told,
        f"{len(wanted & told)} of {len(wanted)}, after {time.monotonic() - began:.1f} s",
    )
    endpoints = shop.sdk.v1.webhook_endpoints
    await shop.timed("delete the endpoint", endpoints.delete_async(story.endpoint_id))


def _subject_of(delivery: Delivery, secret: str) -> str:
    """The id of the object that the event tells of; none where the signature is wrong."""
    signature = delivery.headers.get("stripe-signature", "")
    try:
        event = stripe.Webhook.construct_event(delivery.body, signature, secret)
    except (ValueError, stripe.SignatureVerificationError):
        return ""
    return str(event.data.object.id)


async def prove(shop: Shop, story: ChargeStory) -> None:
    """Entries against themselves, intents against the ledger, the ledger against the bank's book."""
    url = f"{shop.addresses['PAYMENTS_URL']}/admin/proof"
    proof = (await shop.operate("GET", url)).json()
    broken = [f"{check['name']}: {check['detail']}" for check in proof["checks"] if not check["ok"]]
    seen = "; ".join(broken) or f"{len(proof['checks'])} checks"
    story.check("the ledger, the intents and the bank's book agree to the cent", proof["ok"], seen)
