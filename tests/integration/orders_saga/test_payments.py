"""The client of payments against the real service and its bank: what each kind of payment comes back as."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace

import pytest
from orders.domain.calls import Answer, Call, Intent, Operation, Refund, Refused, Unknown
from orders.payments import Payments, PaymentsAway, payments_of
from orders.usecases.reconcile_money import paid_of

from tests.support import payments as real
from tests.support.bank import ListeningBank, listening_bank
from tests.support.databases import Databases
from tests.support.far_end import far_end
from tests.support.orders import settings_of


@pytest.fixture(scope="module")
def dsns(databases: Databases) -> Iterator[dict[str, str]]:
    made = {name: databases.migrated(name) for name in ("payments", "bank")}
    yield made
    for dsn in made.values():
        databases.drop(dsn)


@dataclass
class Shop:
    payments: Payments
    bank: ListeningBank

    async def authorised(self, payment_method: str = "pm_card_visa") -> tuple[Call, Intent]:
        call = call_of(Operation.AUTHORISE, payment_method=payment_method)
        intent = await self.payments.perform(call)
        assert isinstance(intent, Intent), intent
        return replace(call, payment_intent_id=intent.id), intent

    async def then(self, call: Call, operation: Operation, **changed: object) -> Answer:
        return await self.payments.perform(replace(call, operation=operation, **changed))  # type: ignore[arg-type]


def call_of(operation: Operation, *, payment_method: str = "pm_card_visa") -> Call:
    return Call(
        order_id=f"ord_{uuid.uuid4().hex[:22]}",
        tenant_id="acme",
        operation=operation,
        attempts=1,
        polling=False,
        round=0,
        fencing=1,
        payment_intent_id=None,
        refund_id=None,
        amount=700,
        currency="eur",
        payment_method=payment_method,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    )


@pytest.fixture
async def shop(dsns: dict[str, str], redis_url: str) -> AsyncIterator[Shop]:
    async with listening_bank(dsns["bank"]) as bank:
        settings = real.settings_of(dsns["payments"], redis_url, bank_url=bank.url, bank_timeout_s=0.5)
        with await asyncio.to_thread(lambda: real.listening(settings)) as url:
            ours = settings_of(
                "postgresql://nobody@127.0.0.1:1/none",
                redis_url,
                stripe_api_key=real.key_of("one"),
                stripe_api_base=url,
            )
            async with payments_of(ours) as payments:
                yield Shop(payments, bank)


async def test_a_payment_is_authorised_captured_and_refunded(shop: Shop) -> None:
    call, intent = await shop.authorised()
    assert intent.status == "requires_capture"
    assert await shop.then(call, Operation.CAPTURE) == Intent(intent.id, "succeeded")
    refund = await shop.then(call, Operation.REFUND)
    assert isinstance(refund, Refund)
    assert refund.status == "succeeded"
    asked = await shop.then(call, Operation.REFUND, polling=True, refund_id=refund.id)
    assert asked == refund


async def test_the_same_step_again_is_the_same_payment(shop: Shop) -> None:
    call, intent = await shop.authorised()
    assert await shop.payments.perform(replace(call, attempts=2)) == intent
    first = await shop.then(call, Operation.VOID)
    assert first == Intent(intent.id, "canceled")
    assert await shop.then(call, Operation.VOID) == first


@pytest.mark.parametrize(
    ("payment_method", "code"),
    [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_nobody_knows", "resource_missing"),
    ],
)
async def test_a_refusal_says_why(shop: Shop, payment_method: str, code: str) -> None:
    answer = await shop.payments.perform(call_of(Operation.AUTHORISE, payment_method=payment_method))
    assert isinstance(answer, Refused)
    assert answer.code == code


async def test_a_card_that_wants_its_holder_is_told_as_such_and_can_be_closed(shop: Shop) -> None:
    call, intent = await shop.authorised("pm_card_authenticationRequired")
    assert intent.status == "requires_action"
    assert await shop.then(call, Operation.VOID) == Intent(intent.id, "canceled")


async def test_a_capture_or_a_void_that_was_overtaken_tells_how_the_payment_stands(shop: Shop) -> None:
    call, intent = await shop.authorised()
    await shop.then(call, Operation.VOID)
    assert await shop.then(call, Operation.CAPTURE) == Intent(intent.id, "canceled")
    call, intent = await shop.authorised()
    await shop.then(call, Operation.CAPTURE)
    assert await shop.then(call, Operation.VOID) == Intent(intent.id, "succeeded")


async def test_a_bank_that_does_not_answer_leaves_the_payment_under_way(shop: Shop) -> None:
    with shop.bank.failing("reply_lost"):
        call, intent = await shop.authorised()
    assert intent.status == "processing"
    assert await shop.then(call, Operation.AUTHORISE, polling=True) == intent


async def test_a_refund_that_fails_says_why(shop: Shop) -> None:
    call, _ = await shop.authorised("pm_card_refundFail")
    await shop.then(call, Operation.CAPTURE)
    answer = await shop.then(call, Operation.REFUND)
    assert isinstance(answer, Refund)
    assert answer.status == "failed"
    assert answer.code is not None


async def test_what_was_kept_of_each_payment_is_read_page_by_page(shop: Shop) -> None:
    captured, _ = await shop.authorised()
    await shop.then(captured, Operation.CAPTURE)
    refunded, _ = await shop.authorised()
    await shop.then(refunded, Operation.CAPTURE)
    await shop.then(refunded, Operation.REFUND)
    held, _ = await shop.authorised()
    kept: dict[str, int] = {}
    after, more = None, True
    while more:
        page, more = await shop.payments.page_intents(after, limit=2)
        after = page[-1]["id"]
        kept |= {paid.order_id: paid.kept for intent in page if (paid := paid_of(intent))}
    assert [kept[call.order_id] for call in (captured, refunded, held)] == [700, 0, 0]
    found = await shop.payments.find_intent(captured.payment_intent_id or "")
    assert paid_of(found) is not None


async def test_a_payment_that_does_not_exist_is_told_from_payments_being_away(shop: Shop) -> None:
    with pytest.raises(PaymentsAway) as missing:
        await shop.payments.find_intent("pi_nobody")
    assert missing.value.missing


async def test_no_answer_is_unknown_and_opens_the_breaker_for_all(redis_url: str) -> None:
    async with far_end() as end:
        settings = settings_of(
            "postgresql://nobody@127.0.0.1:1/none",
            redis_url,
            stripe_api_key="sk_test",
            stripe_api_base=end.url,
            stripe_timeout_s=0.5,
            stripe_breaker_calls_min=3,
            stripe_breaker_open_s=60.0,
            stripe_breaker_open_max_s=60.0,
        )
        async with payments_of(settings) as payments:
            for mood, error in (("down", "APIError 503"), ("lossy", "APIConnectionError")):
                end.mood = mood  # type: ignore[assignment]
                assert await payments.perform(call_of(Operation.AUTHORISE)) == Unknown(error)
            assert payments.admit(10) == 10
            end.mood = "slow"
            assert await payments.perform(call_of(Operation.AUTHORISE)) == Unknown("TimeoutError")
            assert payments.admit(10) == 0
