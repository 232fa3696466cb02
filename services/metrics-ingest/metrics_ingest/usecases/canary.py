"""The freshness canary: a point a partition, sent as a batch is and asked for until a query shows it."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from chassis import metrics
from chassis.ids import uuid7
from chassis.kafka import Ack, Record, SendFailed, cloudevent_headers
from chassis.kafka.partition import partition_of
from chassis.records import CONTENT_TYPE, Result
from chassis.server import StopSignal

from metrics_ingest.domain import chunks, wire
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.usecases.accept import EVENT_TYPE, TOPIC
from metrics_ingest.victoria import StoreAway

# A tenant of nobody: it has no key, and no row.
TENANT = "signalbox-canary"
# A whole number: the store keeps twelve digits of a fraction.
NAME = "signalbox_canary_sent_ms"

_FRESHNESS = metrics.gauge(
    "metrics_freshness_seconds", "From a point's send to the query that shows it.", ("partition",)
)
_CANARIES = metrics.counter(
    "metrics_canary_total", "Canaries by whether a query showed them in time.", ("outcome",)
)


class Sending(Protocol):
    async def send_many(self, records: Sequence[Record]) -> list[Result]: ...


class Querying(Protocol):
    async def query(self, tenant_id: str, expression: str, at_s: float) -> list[dict[str, Any]]: ...


class Canary:
    """`instance` tells the points of several writers apart."""

    def __init__(self, producer: Sending, store: Querying, bounds: WriterBounds, instance: str) -> None:
        self._producer = producer
        self._store = store
        self._bounds = bounds
        self._instance = instance
        self._keys = list(keys_of(bounds.partitions))
        # When the youngest canary seen so far was sent.
        self._seen_ms: dict[str, int] = {}

    async def fly(self, stop: StopSignal) -> None:
        """One a partition, watched for as long as it counts as fresh, or until `stop`."""
        sent_ms = int(time.time() * 1000)
        results = await self._producer.send_many([self._record(key, sent_ms) for key in self._keys])
        waiting = {str(p) for p, result in enumerate(results) if isinstance(result, Ack)}
        unsent = sum(isinstance(result, SendFailed) for result in results)
        if unsent:
            _CANARIES.labels("unsent").inc(unsent)
        started = time.monotonic()
        while waiting and time.monotonic() - started < self._bounds.canary_fresh_s:
            if await stop.sleep(self._bounds.canary_poll_s):
                return
            waiting -= self._show(await self._look(), sent_ms)
        _CANARIES.labels("late").inc(len(waiting))
        for partition in waiting:
            _FRESHNESS.labels(partition).set(
                time.time() - self._seen_ms.setdefault(partition, sent_ms) / 1000
            )

    def _show(self, seen: Mapping[str, int], sent_ms: int) -> set[str]:
        """Partitions whose canary of this flight is there."""
        now_s = time.time()
        arrived = set()
        for partition, value_ms in seen.items():
            if value_ms > self._seen_ms.get(partition, 0):
                self._seen_ms[partition] = value_ms
                if value_ms == sent_ms:
                    _FRESHNESS.labels(partition).set(now_s - sent_ms / 1000)
                    _CANARIES.labels("fresh").inc()
            if value_ms >= sent_ms:
                arrived.add(partition)
        return arrived

    async def _look(self) -> dict[str, int]:
        """By partition, when the youngest canary was sent that a query shows; nothing while it cannot."""
        try:
            async with asyncio.timeout(self._bounds.canary_fresh_s):
                vector = await self._store.query(TENANT, f'{NAME}{{writer="{self._instance}"}}', time.time())
        except (StoreAway, TimeoutError):
            return {}
        return {one["metric"]["partition"]: int(float(one["value"][1])) for one in vector}

    def _record(self, key: bytes, sent_ms: int) -> Record:
        partition = b"%d" % partition_of(key, self._bounds.partitions)
        labels = [
            (b"__name__", NAME.encode()),
            (b"partition", partition),
            (b"writer", self._instance.encode()),
        ]
        message = wire.put_series(wire.put_labels(labels), wire.put_sample(sent_ms, sent_ms))
        headers = cloudevent_headers(
            event_id=str(uuid7()),
            source="/metrics-ingest",
            event_type=EVENT_TYPE,
            subject=TENANT,
            sequence=1,
        )
        told = {"tenant": TENANT, "protocol": "canary", "received": "1", "accepted": "1", "samples": "1"}
        return Record(
            TOPIC,
            key,
            chunks.compress(message),
            [
                *(pair for pair in headers if pair[0] != CONTENT_TYPE),
                (CONTENT_TYPE, b"application/x-protobuf"),
                ("content-encoding", b"snappy"),
                *((name, value.encode()) for name, value in told.items()),
                ("rejected", b"{}"),
                ("dead", b"{}"),
            ],
        )


def keys_of(partitions: int) -> Iterator[bytes]:
    """A key for each partition, in order."""
    for partition in range(partitions):
        candidates = (b"canary-%d" % number for number in itertools.count())
        yield next(key for key in candidates if partition_of(key, partitions) == partition)
