"""A worker killed in the middle of deliveries: every event arrives at least once."""

from tests.chaos.payments.conftest import Chaos
from tests.chaos.payments.receiver import Receiver
from tests.support.eventually import eventually

PAYMENTS = 5


async def test_a_worker_killed_while_delivering_loses_no_event(chaos: Chaos) -> None:
    merchant, worker = chaos.merchant, chaos.stack.workers[0]
    async with Receiver() as receiver:
        endpoint = await merchant.post(
            "/v1/webhook_endpoints", {"url": receiver.url, "enabled_events": ["*"]}
        )
        assert endpoint.is_success, endpoint.text
        for _ in range(PAYMENTS):
            await merchant.pay()
        await eventually(lambda: receiver.waiting >= PAYMENTS)
        await worker.kill()
        receiver.let_through.set()
        await worker.start()
        told = await merchant.get("/v1/events", limit=100)
        events = {event["id"] for event in told["data"]}
        assert len(events) >= PAYMENTS
        secret = endpoint.json()["secret"]
        await eventually(
            lambda: events - set(receiver.events(secret)), timeout_s=30, accept=lambda missing: not missing
        )
