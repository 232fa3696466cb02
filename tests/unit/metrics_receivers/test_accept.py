"""Acceptance: every record balances by itself, success needs every acknowledgement, memory is bounded."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence

import pytest
from chassis.kafka import Ack, BrokerAway, QueueFull, Record
from chassis.ratelimit import Decision, Limit, LocalLimiter
from chassis.records import Result
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.domain.verdict import Payload, Verdict
from metrics_ingest.usecases.accept import TOPIC, Accepting, Sending
from metrics_ingest.usecases.allowance import Allowance, TooManyPoints

TENANT = Tenant(id="acme", name="Acme", points_per_s=1000.0)
SPLIT = Verdict(
    received=10,
    accepted=7,
    samples=9,
    rejected=Counter(too_old=2, invalid_name=1),
    payloads=[Payload(b"a" * 60, 4, 5, {"nan": 1}), Payload(b"b" * 60, 3, 4)],
)


class Limiter:
    def __init__(self) -> None:
        self._local = LocalLimiter()

    async def check(self, limits: Sequence[Limit], cost: int = 1) -> Decision:
        return self._local.check(limits, cost)


class Broker:
    def __init__(self, *results: Result) -> None:
        self.results = results
        self.records: list[Record] = []

    async def send_many(self, records: Sequence[Record]) -> list[Result]:
        self.records += records
        return list(self.results)


class Silent:
    """It never answers."""

    async def send_many(self, _records: Sequence[Record]) -> list[Result]:
        await asyncio.Event().wait()
        return []


def accepting(broker: Sending) -> Accepting:
    allowance = Allowance(Limiter(), burst_s=2.0, slice_s=0.1, stands_s=1.0, tenants_max=10)
    return Accepting(broker, allowance, unacked_bytes_max=200)


def headers(record: Record) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


async def test_every_record_of_a_split_body_balances_by_itself() -> None:
    broker = Broker(Ack(3, 7), Ack(3, 8))

    accepted = await accepting(broker).accept(TENANT, SPLIT, "json")

    first, second = map(headers, broker.records)
    assert accepted.position == "p3:8"
    assert {record.key for record in broker.records} == {accepted.batch_id.encode()}
    assert [first["ce_id"], second["ce_id"]] == [f"{accepted.batch_id}.0", f"{accepted.batch_id}.1"]
    for told in (first, second):
        assert int(told["received"]) == int(told["accepted"]) + sum(json.loads(told["rejected"]).values())
    assert int(first["received"]) + int(second["received"]) == SPLIT.received
    assert json.loads(first["rejected"]) == {"too_old": 2, "invalid_name": 1}
    assert (json.loads(first["dead"]), json.loads(second["dead"])) == ({"nan": 1}, {})


async def test_a_record_says_what_it_is() -> None:
    broker = Broker(Ack(0, 1))
    verdict = Verdict(received=1, accepted=1, samples=1, payloads=[Payload(b"block", 1, 1)])

    accepted = await accepting(broker).accept(TENANT, verdict, "statsd")

    (record,) = broker.records
    told = headers(record)
    assert (record.topic, record.value) == (TOPIC, b"block")
    assert told["ce_id"] == accepted.batch_id
    assert told["ce_type"] == "metrics-ingest.batch-accepted.v1"
    assert (told["ce_subject"], told["tenant"], told["protocol"]) == ("acme", "acme", "statsd")
    assert (told["content-type"], told["content-encoding"]) == ("application/x-protobuf", "snappy")
    assert sum(name == "content-type" for name, _ in record.headers) == 1


async def test_refusals_alone_reach_the_ledger() -> None:
    broker = Broker(Ack(2, 0))
    verdict = Verdict(received=3, rejected=Counter(too_old=3))

    await accepting(broker).accept(TENANT, verdict, "json")

    (record,) = broker.records
    assert record.value == b""
    assert (headers(record)["received"], headers(record)["accepted"]) == ("3", "0")


async def test_one_missing_acknowledgement_is_no_success() -> None:
    broker = Broker(Ack(0, 1), BrokerAway("left"))

    with pytest.raises(BrokerAway):
        await accepting(broker).accept(TENANT, SPLIT, "json")


async def test_what_awaits_its_acknowledgement_is_bounded_and_given_back() -> None:
    target = accepting(Silent())
    waiting = asyncio.create_task(target.accept(TENANT, SPLIT, "json"))
    await asyncio.sleep(0)

    with pytest.raises(QueueFull):
        await target.accept(TENANT, SPLIT, "json")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    again = asyncio.create_task(target.accept(TENANT, SPLIT, "json"))
    await asyncio.sleep(0)

    assert not again.done()
    again.cancel()


async def test_above_the_rate_nothing_is_sent() -> None:
    broker = Broker(Ack(0, 1), Ack(0, 2))
    target = accepting(broker)
    large = Verdict(received=2000, accepted=2000, payloads=SPLIT.payloads)
    await target.accept(TENANT, large, "json")
    sent = len(broker.records)

    with pytest.raises(TooManyPoints):
        await target.accept(TENANT, large, "json")

    assert len(broker.records) == sent
