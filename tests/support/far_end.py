"""The far end of the money on a port of its own: as much of Stripe as an order needs, with moods."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

Mood = Literal["well", "down", "lossy", "slow"]
Json = dict[str, Any]
DECLINED = "pm_card_chargeDeclined"
PROCESSING = "pm_card_processing"
ASKS_CUSTOMER = "pm_card_authenticationRequired"


@dataclass
class FarEnd:
    """`mood` of every call: down answers 503 and does nothing, lossy acts and cuts the connection."""

    url: str = ""
    mood: Mood = "well"
    calls: Counter[str] = field(default_factory=Counter)
    intents: dict[str, Json] = field(default_factory=dict)
    refunds: dict[str, Json] = field(default_factory=dict)
    answers: dict[str, tuple[int, Json]] = field(default_factory=dict)
    traceparents: list[str] = field(default_factory=list)
    refunds_fail: bool = False
    capture_outcome: str = "succeeded"
    capture_refused: bool = False
    busy: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    ids: Any = field(default_factory=lambda: itertools.count(1))

    def of_order(self, order_id: str) -> list[Json]:
        return [one for one in self.intents.values() if one["metadata"].get("order_id") == order_id]

    def one(self, order_id: str) -> Json:
        [intent] = self.of_order(order_id)
        return intent

    def refunded(self, order_id: str) -> int:
        """In minor units, of refunds that succeeded."""
        mine = {intent["id"] for intent in self.of_order(order_id)}
        return sum(
            one["amount"]
            for one in self.refunds.values()
            if one["payment_intent"] in mine and one["status"] == "succeeded"
        )

    async def serve(self, request: web.Request) -> web.StreamResponse:
        form = dict(await request.post()) if request.method == "POST" else {}
        name = f"{request.method} {request.path.removeprefix('/v1/').split('/')[0]}"
        verb = request.path.rsplit("/", 1)[-1]
        self.calls[f"{name} {verb}" if verb in {"capture", "cancel"} else name] += 1
        self.traceparents.append(request.headers.get("traceparent", ""))
        if self.mood == "down":
            return web.json_response({"error": {"type": "api_error", "message": "down"}}, status=503)
        status, body = self._once(request, form)
        if self.mood == "lossy" and request.transport is not None:
            request.transport.abort()
        if self.mood == "slow":
            self.busy.set()
            await self.released.wait()
        return web.json_response(body, status=status)

    def _once(self, request: web.Request, form: Json) -> tuple[int, Json]:
        key = request.headers.get("Idempotency-Key")
        if request.method == "GET" or key is None:
            return self._show(request)
        if key not in self.answers:
            self.answers[key] = self._act(request.path, form)
        return self.answers[key]

    def _show(self, request: web.Request) -> tuple[int, Json]:
        noun, _, name = request.path.removeprefix("/v1/").partition("/")
        if name:
            found = (self.refunds if noun == "refunds" else self.intents).get(name)
            missing = {"error": {"type": "invalid_request_error", "code": "resource_missing"}}
            return (404, missing) if found is None else (200, found)
        newest = sorted(self.intents.values(), key=lambda one: one["id"], reverse=True)
        after, limit = request.query.get("starting_after"), int(request.query.get("limit", "10"))
        rest = [one for one in newest if after is None or one["id"] < after]
        return 200, {
            "object": "list",
            "url": "/v1/payment_intents",
            "data": rest[:limit],
            "has_more": len(rest) > limit,
        }

    def _act(self, path: str, form: Json) -> tuple[int, Json]:
        match path.removeprefix("/v1/").split("/"):
            case ["payment_intents"]:
                return self._create(form)
            case ["payment_intents", name, "capture"]:
                return self._capture(self.intents[name])
            case ["payment_intents", name, "cancel"]:
                return self._cancel(self.intents[name])
            case _:
                return self._refund(self.intents[form["payment_intent"]])

    def _create(self, form: Json) -> tuple[int, Json]:
        method = form["payment_method"]
        status = {PROCESSING: "processing", ASKS_CUSTOMER: "requires_action"}.get(method, "requires_capture")
        if method == DECLINED:
            status = "requires_payment_method"
        intent = {
            "id": f"pi_{next(self.ids):06}",
            "object": "payment_intent",
            "status": status,
            "amount": int(form["amount"]),
            "amount_received": 0,
            "currency": form["currency"],
            "metadata": {
                "order_id": form["metadata[order_id]"],
                "tenant_id": form["metadata[tenant_id]"],
            },
            "last_payment_error": None,
            "latest_charge": None,
            "created": 1,
        }
        self.intents[intent["id"]] = intent
        if method == DECLINED:
            return 402, _error("card_error", "card_declined", decline_code="generic_decline", intent=intent)
        return 200, intent.copy()

    def _capture(self, intent: Json) -> tuple[int, Json]:
        if intent["status"] != "requires_capture":
            return 400, _error("invalid_request_error", "payment_intent_unexpected_state", intent=intent)
        if self.capture_refused:
            return 402, _error("card_error", "charge_expired_for_capture", intent=intent)
        intent["status"] = self.capture_outcome
        if self.capture_outcome == "succeeded":
            self.captured(intent)
        return 200, intent.copy()

    def captured(self, intent: Json) -> None:
        intent.update(
            status="succeeded",
            amount_received=intent["amount"],
            latest_charge={"id": "ch_1", "object": "charge", "amount_refunded": 0},
        )

    def _cancel(self, intent: Json) -> tuple[int, Json]:
        if intent["status"] in {"succeeded", "processing", "canceled"}:
            return 400, _error("invalid_request_error", "payment_intent_unexpected_state", intent=intent)
        intent["status"] = "canceled"
        return 200, intent.copy()

    def _refund(self, intent: Json) -> tuple[int, Json]:
        refund = {
            "id": f"re_{next(self.ids):06}",
            "object": "refund",
            "status": "failed" if self.refunds_fail else "succeeded",
            "amount": intent["amount_received"],
            "payment_intent": intent["id"],
            "failure_reason": "expired_or_canceled_card" if self.refunds_fail else None,
        }
        self.refunds[refund["id"]] = refund
        if not self.refunds_fail:
            intent["latest_charge"]["amount_refunded"] += refund["amount"]
        return 200, refund


def _error(kind: str, code: str, *, intent: Json, decline_code: str | None = None) -> Json:
    error = {"type": kind, "code": code, "message": code, "payment_intent": intent.copy()}
    return {"error": error if decline_code is None else {**error, "decline_code": decline_code}}


@asynccontextmanager
async def far_end() -> AsyncIterator[FarEnd]:
    made = FarEnd()
    app = web.Application()
    app.router.add_route("*", "/v1/{rest:.*}", made.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        made.released.set()
        await runner.cleanup()
