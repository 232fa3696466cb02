"""The canary: a point a partition, counted as fresh, late or unsent."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from chassis.kafka import Ack, BrokerAway, Record
from chassis.kafka.partition import partition_of
from chassis.records import Result
from chassis.server import StopSignal
from metrics_ingest.domain import accounting, merging
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.usecases import canary
from metrics_ingest.usecases.canary import Canary
from metrics_ingest.victoria import StoreAway

from tests.support import remote_write

PATIENT = WriterBounds(partitions=3, canary_poll_s=0.001, canary_fresh_s=60.0)
HASTY = replace(PATIENT, canary_fresh_s=0.02)
ALL = (0, 1, 2)


class World:
    """A broker that takes what it is sent, and a store that shows it, but for some partitions."""

    def __init__(self, *, unsent: Sequence[int] = (), hidden: Sequence[int] = ()) -> None:
        self.unsent, self.hidden = unsent, hidden
        self.records: list[Record] = []
        self.shown: dict[str, str] = {}
        self.questions = 0

    async def send_many(self, records: Sequence[Record]) -> list[Result]:
        self.records += records
        results: list[Result] = []
        for record in records:
            partition = partition_of(record.key or b"", PATIENT.partitions)
            if partition in self.unsent:
                results.append(BrokerAway("no answer"))
                continue
            ((labels, samples),) = remote_write.read(remote_write.unsnap(record.value or b""))
            assert labels[b"partition"] == b"%d" % partition
            if partition not in self.hidden:
                self.shown[str(partition)] = f"{samples[0][1]:.0f}"
            results.append(Ack(partition, 0))
        return results

    async def query(self, tenant_id: str, expression: str, at_s: float) -> list[dict[str, Any]]:
        assert (tenant_id, expression) == (canary.TENANT, f'{canary.NAME}{{writer="8200"}}')
        self.questions += 1
        if self.questions == 1:
            raise StoreAway("just this once")
        return [
            {"metric": {"partition": partition}, "value": [at_s, value]}
            for partition, value in self.shown.items()
        ]


def counted(outcome: str) -> float:
    return float(canary._CANARIES.labels(outcome)._value.get())


async def flown(world: World, bounds: WriterBounds) -> dict[str, float]:
    """What one flight adds to each outcome."""
    before = {outcome: counted(outcome) for outcome in ("fresh", "late", "unsent")}
    await Canary(world, world, bounds, "8200").fly(StopSignal())
    return {outcome: counted(outcome) - value for outcome, value in before.items()}


@pytest.mark.parametrize(
    ("world", "bounds", "outcomes"),
    [
        (World(), PATIENT, {"fresh": 3, "late": 0, "unsent": 0}),
        (World(hidden=ALL), HASTY, {"fresh": 0, "late": 3, "unsent": 0}),
        (World(unsent=[0, 2]), PATIENT, {"fresh": 1, "late": 0, "unsent": 2}),
    ],
    ids=["all seen", "all hidden", "two unsent"],
)
async def test_each_partition_counts_once_a_flight(
    world: World, bounds: WriterBounds, outcomes: dict[str, float]
) -> None:
    assert await flown(world, bounds) == outcomes


async def test_a_canary_is_a_batch_like_any_other() -> None:
    world = World()
    await flown(world, PATIENT)
    assert len(world.records) == len(ALL)
    for record in world.records:
        account = accounting.read(dict(record.headers).get)
        assert (account.tenant_id, account.received, account.storable) == (canary.TENANT, 1, 1)
        assert merging.read(None, record.value).unpacked


async def test_a_canary_of_a_flight_before_is_not_this_ones() -> None:
    world = World(hidden=ALL)
    world.shown = {str(partition): "1" for partition in ALL}
    assert await flown(world, HASTY) == {"fresh": 0, "late": 3, "unsent": 0}
