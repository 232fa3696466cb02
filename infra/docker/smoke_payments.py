"""The part of the smoke test in which money moves: through restarts, and to the cent."""

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.request import Request, urlopen

from infra.docker.charges import Merchant, Till
from infra.docker.smoke_tools import HTTP_TIMEOUT_S, PATIENCE_S, eventually, expect, runtime
from infra.local.demo.receiver import Delivery, Receiver, receiving

CHARGES = 10
REPLICAS = 2


class Money:
    def __init__(self, environment: Mapping[str, str]) -> None:
        # Filled by the step that starts the stack.
        self.environment = environment

    # --- steps

    def charges(self) -> str:
        merchant = self._merchant()
        first = [merchant.charge(key=f"smoke-{n}") for n in range(CHARGES)]
        again = [merchant.charge(key=f"smoke-{n}") for n in range(CHARGES)]
        expect({a.document["status"] for a in first} == {"succeeded"}, f"not all succeeded: {first}")
        expect([a.document for a in again] == [a.document for a in first], "a replay differs")
        expect(all(a.headers.get("idempotent-replayed") == "true" for a in again), "a replay does not say so")
        declined = merchant.charge("pm_card_chargeDeclined")
        expect(declined.status == 402, f"a decline answered {declined.status}")  # noqa: PLR2004
        refund = merchant.post(
            "/v1/refunds", {"payment_intent": str(first[0].document["id"]), "amount": "500"}
        )
        expect(refund.document.get("status") == "succeeded", f"refund: {refund}")
        return f"{CHARGES} charges, each replayed; a decline; a partial refund"

    def rolling_restart(self) -> str:
        runtime("scale", "SERVICE=payments", f"N={REPLICAS}")
        with Till(self._merchant()) as till:
            runtime("restart", "SERVICE=payments")
        expect(set(till.outcomes) == {"succeeded"}, f"charges failed: {dict(till.outcomes)}")
        return (
            f"{REPLICAS} replicas restarted one by one: {till.outcomes.total()} charges succeeded, 0 failed"
        )

    def bank_restart(self) -> str:
        """Clients send a key again while they are told to; what is unknown is settled afterwards."""
        merchant = self._merchant()
        with Till(merchant, patience_s=PATIENCE_S) as till:
            runtime("restart", "SERVICE=bank")
        answered = set(till.outcomes)
        expect(answered <= {"succeeded", "processing"}, f"charges failed: {dict(till.outcomes)}")

        def settled() -> int:
            found = [merchant.get(f"/v1/payment_intents/{intent}").document for intent in till.intents]
            left = sum(intent.get("status") != "succeeded" for intent in found)
            expect(not left, f"{left} charges are not settled")
            return len(till.intents)

        return (
            f"bank away and back: {eventually(settled)} charges, all settled; at first {dict(till.outcomes)}"
        )

    def webhooks(self) -> str:
        merchant = self._merchant()
        with _receiver() as receiver:
            form = {"url": receiver.url, "enabled_events[]": "payment_intent.succeeded"}
            endpoint = merchant.post("/v1/webhook_endpoints", form).document
            intent = merchant.charge().document["id"]

            def told() -> str:
                found = [d for d in list(receiver.deliveries) if _verified(d, endpoint["secret"]) == intent]
                expect(bool(found), f"{len(receiver.deliveries)} deliveries, none signed for {intent}")
                return f"{endpoint['url']} was told, signed"

            said = eventually(told)
        merchant.delete(f"/v1/webhook_endpoints/{endpoint['id']}")
        return said

    def proof(self) -> str:
        url = f"{self.environment['PAYMENTS_URL']}/admin/proof"
        headers = {"Authorization": f"Bearer {self.environment['ADMIN_API_KEY']}"}

        def proven() -> int:
            with urlopen(Request(url, headers=headers), timeout=HTTP_TIMEOUT_S * 6) as answer:  # noqa: S310 ours
                found = json.load(answer)
            broken = [check for check in found["checks"] if not check["ok"]]
            expect(found["ok"], f"the proof fails: {broken}")
            return len(found["checks"])

        return f"{eventually(proven)} checks: ledger, intents and the bank's book agree"

    # --- helpers

    def _merchant(self) -> Merchant:
        return Merchant(self.environment["PAYMENTS_URL"], self.environment["PAYMENTS_API_KEY"])


def _verified(delivery: Delivery, secret: str) -> str:
    """The id of the event's object where the signature is right: Stripe's scheme, spelt out."""
    header = delivery.headers.get("stripe-signature", "")
    parts = {name: value for name, _, value in (part.partition("=") for part in header.split(","))}
    signed = parts.get("t", "").encode() + b"." + delivery.body
    right = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right, parts.get("v1", "")):
        return ""
    return str(json.loads(delivery.body)["data"]["object"]["id"])


@contextmanager
def _receiver() -> Iterator[Receiver]:
    """On a loop of its own in a thread."""
    ready, done = threading.Event(), asyncio.Event()
    made: list[Receiver] = []
    loop = asyncio.new_event_loop()

    async def listen() -> None:
        async with receiving(from_containers=True) as receiver:
            made.append(receiver)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(listen(),), daemon=True)
    thread.start()
    expect(ready.wait(HTTP_TIMEOUT_S), "no receiver of webhooks could be opened")
    try:
        yield made[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(HTTP_TIMEOUT_S)
        loop.close()
