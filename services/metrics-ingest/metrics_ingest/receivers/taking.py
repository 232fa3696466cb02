"""From points to durable records: what the receivers of all slow protocols have in common.

A request is read, judged and packed in batches, so that it takes memory for a batch and for what it came to,
never for all its points at once; its records are sent together, once the last point has been read.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from metrics_ingest.domain import verdict, wire
from metrics_ingest.domain.bodies import BodyTooLarge, TooManyParts
from metrics_ingest.domain.points import Point, Refused
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.domain.verdict import Payload, Verdict

# Samples that the translation adds on its own account (target_info): stored, and nobody's point.
COMPANION = -1

BATCH_POINTS = 2048
BATCH_BYTES = 2**20
# A second's worth of a tenant by default, and some seconds of work.
POINTS_MAX = 500_000
# A point is never divided between records, and must fit into one.
POINT_BYTES_MAX = 2**19
RECORD_BYTES_MAX = 2**20
# A smaller body is read on the event loop.
INLINE_BYTES_MAX = 2**16
# Refusals that an answer can name one by one.
EXAMPLES_MAX = 100
_SAMPLE_BYTES = 24
_LABEL_BYTES = 6


class Judging(Protocol):
    async def points(self, tenant: Tenant, points: Sequence[Point | Refused]) -> Verdict: ...


class Accepting(Protocol):
    async def accept(self, tenant: Tenant, verdict: Verdict, protocol: str) -> object: ...


class Resources(Protocol):
    @property
    def judge(self) -> Judging: ...

    @property
    def accepting(self) -> Accepting: ...


async def take(
    res: Resources, tenant: Tenant, points: Iterable[Point | Refused], *, protocol: str, body_bytes: int
) -> Verdict:
    """Return when what was accepted is durable; a request without a single point leaves no trace.

    Raises what reading raises (`BodyMalformed`: nothing of the request counts), what judge and accept raise,
    `TooManyParts`, and `BodyTooLarge` where labels written out for each sample come to more than the tenant
    may unpack.
    """
    found = await judged(res, tenant, points, body_bytes=body_bytes)
    if found.received or found.payloads:
        await res.accepting.accept(tenant, found, protocol)
    return found


async def judged(
    res: Resources,
    tenant: Tenant,
    points: Iterable[Point | Refused],
    *,
    body_bytes: int,
    examples_max: int = EXAMPLES_MAX,
) -> Verdict:
    """What `take` finds, not yet durable."""
    judge, batches = res.judge, _batches(points, tenant.unpacked_bytes_max)
    large = body_bytes > INLINE_BYTES_MAX
    total = Verdict()
    payloads: list[Payload] = []
    # Whoever sends much, or long nothings, does not hold up the others while it is read.
    while batch := await asyncio.to_thread(next, batches, None) if large else next(batches, None):
        own = [point for point in batch if point.index != COMPANION]
        found = await judge.points(tenant, own)
        _add(total, found, examples_max)
        payloads += found.payloads
        if len(own) < len(batch):
            extra = await judge.points(tenant, [point for point in batch if point.index == COMPANION])
            total.samples += extra.samples
            payloads += [replace(payload, accepted=0, dead={}) for payload in extra.payloads]
    total.payloads = list(join(payloads))
    return total


def _batches(points: Iterable[Point | Refused], bytes_max: int) -> Iterator[list[Point | Refused]]:
    batch: list[Point | Refused] = []
    size = total = 0
    for number, read in enumerate(points):
        if number == POINTS_MAX:
            raise TooManyParts(POINTS_MAX, "points")
        point, more = _bounded(read)
        batch.append(point)
        size += more
        total += more
        if total > bytes_max:
            raise BodyTooLarge(bytes_max)
        if len(batch) >= BATCH_POINTS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _bounded(point: Point | Refused) -> tuple[Point | Refused, int]:
    """With about as many bytes as it is written out; series of one point differ in a label at most."""
    if isinstance(point, Refused) or not point.series:
        return point, 0
    size = _SAMPLE_BYTES
    for name, value in point.series[-1].labels:
        size += len(name) + len(value) + _LABEL_BYTES
    size *= len(point.series)
    if size > POINT_BYTES_MAX and len(point.series) > 1:
        return Refused(point.index, verdict.INVALID_HISTOGRAM), 0
    return point, size


def _add(total: Verdict, found: Verdict, examples_max: int) -> None:
    total.received += found.received
    total.accepted += found.accepted
    total.samples += found.samples
    total.rejected += found.rejected
    total.dead += found.dead
    total.items += found.items[: examples_max - len(total.items)]


def join(payloads: Iterable[Payload]) -> Iterator[Payload]:
    """Neighbours as one record where they fit: blocks of snappy are joined without being unpacked.

    A block is its length and elements that refer back only within themselves, and messages one after the
    other are one message.
    """
    group: list[Payload] = []
    size = 0
    for payload in payloads:
        if group and size + len(payload.compressed) > RECORD_BYTES_MAX:
            yield _joined(group)
            group, size = [], 0
        group.append(payload)
        size += len(payload.compressed)
    if group:
        yield _joined(group)


def _joined(group: list[Payload]) -> Payload:
    if len(group) == 1:
        return group[0]
    size = 0
    streams = []
    dead: dict[str, int] = {}
    for payload in group:
        unpacked, start = wire.varint(payload.compressed, 0)
        size += unpacked
        streams.append(payload.compressed[start:])
        for reason, count in payload.dead.items():
            dead[reason] = dead.get(reason, 0) + count
    return Payload(
        compressed=wire.put_varint(size) + b"".join(streams),
        accepted=sum(payload.accepted for payload in group),
        samples=sum(payload.samples for payload in group),
        dead=dead,
    )


def reasons(found: Verdict) -> str:
    """Refusals in words, most frequent first: "3 invalid_value, 1 too_old"."""
    return ", ".join(f"{count} {reason}" for reason, count in found.rejected.most_common())
