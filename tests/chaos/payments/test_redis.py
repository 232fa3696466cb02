"""Redis holds nothing that matters: keys replay without it, and limits stand in locally."""

import asyncio
from collections import Counter

from tests.chaos.payments.conftest import Chaos
from tests.chaos.payments.errands import one_of_each
from tests.chaos.payments.merchant import PAYMENT, Merchant


async def test_keys_replay_after_redis_is_emptied_and_everything_restarted(chaos: Chaos) -> None:
    merchant, stack = chaos.merchant, chaos.stack
    errands = await one_of_each(merchant)
    requests = [(e.path, e.parameters, e.key) for e in errands]
    requests.append(
        ("/v1/payment_intents", {**PAYMENT, "payment_method": "pm_card_chargeDeclined"}, "declined")
    )
    requests.append(("/v1/customers", {"name": "Jenny Rosen"}, "customer"))
    first = [await merchant.post(*request) for request in requests]
    assert [answer.status_code for answer in first] == [200] * 4 + [402, 200]

    await asyncio.to_thread(chaos.redis.kill)
    await asyncio.to_thread(chaos.redis.start)
    await asyncio.gather(*(process.stop() for process in stack.processes))
    await stack.heal()

    for api in stack.apis:
        again = [await merchant.post(*request, api=api) for request in requests]
        assert [(a.status_code, a.content) for a in again] == [(a.status_code, a.content) for a in first]
        assert {answer.headers["Idempotent-Replayed"] for answer in again} == {"true"}
    for errand in errands:
        await errand.check(merchant)
    await chaos.proven()


async def test_without_redis_an_account_is_held_to_its_rate_by_each_process(chaos: Chaos) -> None:
    await asyncio.to_thread(chaos.redis.kill)
    small = Merchant(chaos.stack, await chaos.stack.account(rate_per_s=0.5, burst=10))
    async with small:
        api = chaos.stack.apis[0]
        answers = await asyncio.gather(*(small.client(api).get("/v1/balance") for _ in range(40)))
        unlimited = await asyncio.gather(*(chaos.merchant.client(api).get("/v1/balance") for _ in range(40)))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}
    assert 1 <= statuses[200] <= 10
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"]["code"] == "rate_limit"
    assert {answer.status_code for answer in unlimited} == {200}
    assert (await chaos.merchant.pay())["status"] == "succeeded"
