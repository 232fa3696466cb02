"""From verdict to log: success is told only of what the broker has acknowledged with acks=all (ADR-0017)."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from chassis import metrics
from chassis.ids import uuid7
from chassis.kafka import Ack, QueueFull, Record, SendFailed, cloudevent_headers
from chassis.records import CONTENT_TYPE, Result

from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.domain.verdict import Payload, Verdict
from metrics_ingest.usecases.allowance import Allowance

TOPIC = "metrics-ingest.batches-accepted.v1"
EVENT_TYPE = "metrics-ingest.batch-accepted.v1"
_NOTHING = Payload(b"", 0, 0)

_POINTS = metrics.Tally(
    "metrics_ingest_points_total",
    "Points by what was decided, in the sender's units.",
    ("protocol", "verdict"),
)
_REFUSED = metrics.Tally("metrics_ingest_rejected_points_total", "Refused points by reason.", ("reason",))
_ACK_SECONDS = metrics.histogram(
    "metrics_ingest_ack_seconds", "From the send of a batch to the broker's last acknowledgement."
)


class Sending(Protocol):
    async def send_many(self, records: Sequence[Record], /) -> list[Result]: ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """`position` is where the batch ends in the log, `p<partition>:<offset>`: queries wait for it."""

    batch_id: str
    position: str


class Accepting:
    """One a process; what awaits its acknowledgement is bounded in bytes."""

    def __init__(self, producer: Sending, allowance: Allowance, *, unacked_bytes_max: int) -> None:
        self._producer = producer
        self._allowance = allowance
        self._unacked_bytes_max = unacked_bytes_max
        self._unacked_bytes = 0

    async def accept(self, tenant: Tenant, verdict: Verdict, protocol: str) -> Accepted:
        """Also of a verdict that accepts nothing, for the ledger's sake.

        Raises `TooManyPoints` (nothing was sent) and `SendFailed` (parts may be in the log: the sender tries
        again, and the store keeps one of equal samples).
        """
        await self._allowance.take(tenant, verdict.received)
        batch_id = str(uuid7())
        acks = await self._send(list(_records(batch_id, tenant, verdict, protocol)))
        _POINTS.labels(protocol, "accepted").value += verdict.accepted
        _POINTS.labels(protocol, "rejected").value += verdict.received - verdict.accepted
        for reason, count in verdict.rejected.items():
            _REFUSED.labels(reason).value += count
        return Accepted(batch_id, _position(acks))

    async def _send(self, records: list[Record]) -> list[Ack]:
        size = sum(len(record.value or b"") for record in records)
        if self._unacked_bytes and self._unacked_bytes + size > self._unacked_bytes_max:
            raise QueueFull(f"{self._unacked_bytes} bytes await their acknowledgement")
        self._unacked_bytes += size
        started = time.perf_counter()
        try:
            results = await self._producer.send_many(records)
        finally:
            self._unacked_bytes -= size
        acks = []
        for result in results:
            if isinstance(result, SendFailed):
                raise result
            acks.append(result)
        _ACK_SECONDS.observe(time.perf_counter() - started, metrics.exemplar())
        return acks


def _records(batch_id: str, tenant: Tenant, verdict: Verdict, protocol: str) -> Iterator[Record]:
    """One key, so one partition in order. Each record balances by itself: whatever arrives, the ledger does.

    All refusals stand on the first one.
    """
    payloads = verdict.payloads or [_NOTHING]
    for part, payload in enumerate(payloads):
        rejected = {} if part else dict(verdict.rejected)
        headers = cloudevent_headers(
            event_id=batch_id if len(payloads) == 1 else f"{batch_id}.{part}",
            source="/metrics-ingest",
            event_type=EVENT_TYPE,
            subject=tenant.id,
            sequence=1,
        )
        yield Record(
            TOPIC,
            batch_id.encode(),
            payload.compressed,
            [
                *(pair for pair in headers if pair[0] != CONTENT_TYPE),
                (CONTENT_TYPE, b"application/x-protobuf"),
                ("content-encoding", b"snappy"),
                ("tenant", tenant.id.encode()),
                ("protocol", protocol.encode()),
                ("received", b"%d" % (payload.accepted + sum(rejected.values()))),
                ("accepted", b"%d" % payload.accepted),
                ("samples", b"%d" % payload.samples),
                ("rejected", json.dumps(rejected).encode()),
                ("dead", json.dumps(dict(payload.dead)).encode()),
            ],
        )


def _position(acks: Sequence[Ack]) -> str:
    last: dict[int, int] = {}
    for ack in acks:
        last[ack.partition] = max(ack.offset, last.get(ack.partition, 0))
    return ",".join(f"p{partition}:{offset}" for partition, offset in sorted(last.items()))
