"""Any sequence of operations against two real apps, Postgres and a failing bank does what arithmetic says.

The model of tests/property runs beside the service: each answer is compared, and after a sequence every
intent, refund, balance and line of the bank's book; and the proof must hold.
"""

import asyncio
import threading
import uuid
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.integration.payments_money.money import Money, working
from tests.support.bank import listening_bank
from tests.support.money_model import DECLINED, GOOD, REFUND_FAILS, Intent, Model, Refused

T = TypeVar("T")
TIMEOUT_S = 60.0
STEPS, EXAMPLES = 15, 8

faults = st.sampled_from([None, None, None, None, "error", "reset", "reply_lost", "outage"])
amounts = st.none() | st.integers(1, 6_000)


class World:
    """The service on a loop of its own thread, for tests that run none."""

    def __init__(self, payments_dsn: str, bank_dsn: str, redis_url: str, clock: Path) -> None:
        self._where = (payments_dsn, bank_dsn, redis_url, clock)
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT_S)

    @contextmanager
    def running(self) -> Iterator["World"]:
        self._thread.start()
        assert self._started.wait(TIMEOUT_S)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(TIMEOUT_S)

    async def _main(self) -> None:
        payments_dsn, bank_dsn, redis_url, clock = self._where
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with (
            listening_bank(bank_dsn) as bank,
            working(payments_dsn, redis_url, bank, clock) as self.money,
        ):
            self._started.set()
            await self._stop.wait()


@dataclass(frozen=True)
class How:
    """By which app, under which fault of the bank, whether sent twice, and whether somebody interferes."""

    app: int
    fault: str | None
    twice: bool
    meddled: bool


hows = st.builds(How, st.sampled_from([0, 1]), faults, st.booleans(), st.booleans())


class Service(RuleBasedStateMachine):
    """`pairs` are intents of the model with the ids of the service's."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.money: Money = self.world.run(self.world.money.as_somebody_new())
        self.pairs: list[tuple[Intent, str]] = []

    @rule(
        amount=st.integers(50, 5_000),
        currency=st.sampled_from(["usd", "eur", "jpy"]),
        manual=st.booleans(),
        card=st.sampled_from([GOOD, GOOD, GOOD, DECLINED, REFUND_FAILS]),
        how=hows,
    )
    def create(self, amount: int, currency: str, manual: bool, card: str, how: How) -> None:  # noqa: FBT001 named
        answer = self._post(
            how,
            "/v1/payment_intents",
            amount=amount,
            currency=currency,
            capture_method="manual" if manual else "automatic",
            payment_method=GOOD if card == DECLINED else card,
        )
        if card == DECLINED:
            # The card that declines only when it is charged.
            changed = self._post(
                how, f"/v1/payment_intents/{answer.json()['id']}", payment_method="pm_card_chargeCustomerFail"
            )
            assert changed.status_code == httpx.codes.OK, changed.text
        intent = self.model.create(amount=amount, currency=currency, manual=manual, card=card)
        self.pairs.append((intent, answer.json()["id"]))

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), how=hows)
    def confirm(self, data: st.DataObject, how: How) -> None:
        intent, id_ = self._one(data)
        answer = self._post(how, f"/v1/payment_intents/{id_}/confirm", known=id_)
        try:
            expected = self.model.confirm(intent)
        except Refused:
            assert answer.status_code == httpx.codes.BAD_REQUEST, answer.text
            return
        if answer.status_code == httpx.codes.PAYMENT_REQUIRED:
            assert (expected, answer.json()["error"]["type"]) == ("requires_payment_method", "card_error")
        else:
            assert answer.json()["status"] in {expected, "processing"}, answer.text
            assert answer.json()["status"] == expected or how.fault

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), amount=amounts, how=hows)
    def capture(self, data: st.DataObject, amount: int | None, how: How) -> None:
        intent, id_ = self._one(data)
        given: Any = {} if amount is None else {"amount_to_capture": amount}
        answer = self._post(how, f"/v1/payment_intents/{id_}/capture", known=id_, **given)
        self._same(answer, lambda: self.model.capture(intent, amount))

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), how=hows)
    def cancel(self, data: st.DataObject, how: How) -> None:
        intent, id_ = self._one(data)
        answer = self._post(how, f"/v1/payment_intents/{id_}/cancel", known=id_)
        self._same(answer, lambda: self.model.cancel(intent))

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), amount=amounts, how=hows)
    def refund(self, data: st.DataObject, amount: int | None, how: How) -> None:
        intent, id_ = self._one(data)
        given: Any = {} if amount is None else {"amount": amount}
        answer = self._post(how, "/v1/refunds", payment_intent=id_, **given)
        taken = self._same(answer, lambda: self.model.refund(intent, amount))
        if taken is not None:
            assert answer.json()["amount"] == taken
            assert answer.json()["status"] in {"succeeded", "failed"} or how.fault

    def teardown(self) -> None:
        self.model.check()
        self.world.run(self._compare())

    def _one(self, data: st.DataObject) -> tuple[Intent, str]:
        return data.draw(st.sampled_from(self.pairs))

    def _post(self, how: How, path: str, known: str | None = None, **params: Any) -> httpx.Response:
        return self.world.run(self._send(how, path, known, params))

    async def _send(self, how: How, path: str, known: str | None, params: dict[str, Any]) -> httpx.Response:
        """Sends it, perhaps twice and with a meddler; the bank has said everything when this returns."""
        apps = [self.money.api, self.money.other]
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        with nullcontext() if how.fault is None else self.money.bank.failing(how.fault):
            answer = await apps[how.app].post(path, data=params, headers=headers)
            if how.meddled and known is not None and answer.json().get("status") == "processing":
                # With a new key, by the other app: what is under way is not begun again.
                meddler = await apps[1 - how.app].post(f"/v1/payment_intents/{known}/confirm")
                assert meddler.status_code == httpx.codes.BAD_REQUEST, meddler.text
        if how.twice:
            again = await apps[1 - how.app].post(path, data=params, headers=headers)
            assert (again.status_code, again.content) == (answer.status_code, answer.content)
        if how.fault is not None:
            await self.money.settle()
        assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, answer.text
        return answer

    def _same(self, answer: httpx.Response, step: Any) -> Any:
        """The model allows what the service allowed, and refuses what it refused."""
        try:
            result = step()
        except Refused:
            assert answer.status_code == httpx.codes.BAD_REQUEST, answer.text
            return None
        assert answer.status_code == httpx.codes.OK, answer.text
        return result

    async def _compare(self) -> None:
        for intent, id_ in self.pairs:
            held = await self.money.get(f"/v1/payment_intents/{id_}")
            assert (held["status"], held["amount_received"]) == (intent.status, intent.captured)
            refunds = await self.money.get("/v1/refunds", payment_intent=id_, limit=100)
            shown = [(one["amount"], one["status"] == "succeeded") for one in reversed(refunds["data"])]
            assert shown == intent.refunds
            booked = [
                one for one in await self.money.booked(held) if one["status"] not in {"declined", "voided"}
            ]
            moved = [(one["captured"], one["refunded"]) for one in booked]
            assert moved == ([(intent.captured, intent.refunded)] if booked else [])
            assert bool(booked) == (intent.status in {"succeeded", "requires_capture"})
        balance = await self.money.get("/v1/balance")
        owed = {line["currency"]: line["amount"] for line in balance["pending"]}
        assert {c: n for c, n in owed.items() if n} == {c: n for c, n in self.model.balance().items() if n}
        await self.money.prove()


def test_any_sequence_of_operations_keeps_every_cent_in_its_place(
    payments_dsn: str, bank_dsn: str, redis_url: str, tmp_path: Path
) -> None:
    with World(payments_dsn, bank_dsn, redis_url, tmp_path / "clock").running() as world:
        Service.world = world
        run_state_machine_as_test(
            Service,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
