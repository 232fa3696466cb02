"""The verdict engine: one way in for every protocol, every point accounted for."""

import asyncio
import io
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice

from metrics_ingest.domain import bodies, chunks, verdict
from metrics_ingest.domain.ballots import Ballots
from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.domain.docket import Docket
from metrics_ingest.domain.layouts import Layouts
from metrics_ingest.domain.points import Point, Refused
from metrics_ingest.domain.samples import Window
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.domain.translate import Translation
from metrics_ingest.domain.verdict import Payload, Verdict
from metrics_ingest.domain.wire import Data
from metrics_ingest.usecases.series import Registry
from metrics_ingest.usecases.turns import Memory, Turns


class Judge:
    """The bodies' errors (413, 400) are of the request as a whole.

    `chassis.postgres.DatabaseUnavailable` (503) is raised for a series that is new while Postgres is away,
    `chassis.resilience.bulkhead.BulkheadFullError` (503) for a large body while others hold the memory.
    """

    def __init__(self, bounds: Bounds, registry: Registry, *, clock: Callable[[], float] = time.time) -> None:
        self._bounds = bounds
        self._registry = registry
        self._clock = clock
        self._turns = Turns()
        self._layouts = Layouts(bounds.layouts_bytes_max)
        self._memory = Memory(
            bounds.unpacked_at_once_bytes_max,
            wait_s=bounds.memory_wait_s,
            waiting_max=bounds.memory_waiting_max,
        )

    async def remote_write_1(self, tenant: Tenant, raw_compressed: bytes) -> Verdict:
        """A snappy block of a `prometheus.WriteRequest`, as it came."""
        size = bodies.snappy_size(raw_compressed, tenant.unpacked_bytes_max)
        if size <= chunks.LARGE_BYTES:
            body = bodies.unsnap(raw_compressed, tenant.unpacked_bytes_max)
            return await self._judge(tenant, body, raw_compressed)
        async with self._memory.hold(size):
            pages = await asyncio.to_thread(bodies.unsnap_apart, raw_compressed, tenant.unpacked_bytes_max)
            return await self._judge(tenant, pages, raw_compressed)

    async def remote_write_2(self, tenant: Tenant, raw_compressed: bytes) -> Verdict:
        """A snappy block of an `io.prometheus.write.v2.Request`, translated to 1.0."""
        size = bodies.snappy_size(raw_compressed, tenant.unpacked_bytes_max)
        if size <= chunks.LARGE_BYTES:
            body = await self._translate(tenant, bodies.unsnap(raw_compressed, tenant.unpacked_bytes_max))
            if len(body) <= chunks.LARGE_BYTES:
                return await self._judge(tenant, body, None)
        # Written out, it may be many times as long: it holds what it may come to.
        async with self._memory.hold(tenant.unpacked_bytes_max):
            unpacked = await asyncio.to_thread(bodies.unsnap, raw_compressed, tenant.unpacked_bytes_max)
            body = await self._translate(tenant, unpacked)
            return await self._judge(tenant, body, None)

    async def points(self, tenant: Tenant, points: Sequence[Point | Refused]) -> Verdict:
        """Of the slow protocols: in the order of the request, each point whole or not at all."""
        now_ms = int(self._clock() * 1000)
        ballots = Ballots(tenant, self._window(tenant, now_ms), now_ms=now_ms)
        step = self._bounds.slice_unknown_series
        for first in range(0, len(points), step):
            if first:
                await self._turns.next()
            known = await self._registry.known(tenant)
            ballots.advance(known, points[first : first + step])
            if len(ballots.pending) >= self._bounds.admit_series:
                await self._admit(tenant, ballots)
        await self._admit(tenant, ballots)
        found = ballots.settle()
        if found.samples > self._bounds.slice_series:
            found.payloads = await asyncio.to_thread(ballots.payloads, self._bounds.record_bytes_max)
        else:
            found.payloads = ballots.payloads(self._bounds.record_bytes_max)
        return found

    async def _judge(self, tenant: Tenant, body: Data, raw: bytes | None) -> Verdict:
        now_ms = int(self._clock() * 1000)
        window = self._window(tenant, now_ms)
        docket = Docket(body, tenant, window, self._bounds, self._layouts)
        while not docket.done:
            if docket.slices:
                await self._turns.next()
            docket.advance(await self._registry.known(tenant), now_s=now_ms // 1000)
            if len(docket.pending) >= self._bounds.admit_series:
                await self._admit(tenant, docket)
        await self._admit(tenant, docket)
        if len(body) > chunks.LARGE_BYTES and not (docket.whole and raw is not None):
            payloads = await asyncio.to_thread(chunks.pack, docket, raw, self._bounds.record_bytes_max)
        else:
            payloads = chunks.pack(docket, raw, self._bounds.record_bytes_max)
        return _verdict(docket, payloads)

    async def _admit(self, tenant: Tenant, docket: Docket | Ballots) -> None:
        """Register what is new, as far as the tenant's budget goes."""
        if not docket.pending:
            return
        refused = await self._registry.admit(tenant, docket.identities())
        for form, reason in refused.items():
            docket.refuse(form, reason)
        docket.pending.clear()

    async def _translate(self, tenant: Tenant, body: bytes) -> bytes:
        # It grows where it stands, and its value is no copy.
        written = io.BytesIO()
        elements = Translation(body, tenant.unpacked_bytes_max).write()
        while part := b"".join(islice(elements, self._bounds.slice_unknown_series)):
            written.write(part)
            await self._turns.next()
        return written.getvalue()

    def _window(self, tenant: Tenant, now_ms: int) -> Window:
        return Window(now_ms - tenant.late_window_s * 1000, now_ms + self._bounds.future_limit_s * 1000)


def _verdict(docket: Docket, payloads: list[Payload]) -> Verdict:
    dead = docket.dead
    return Verdict(
        received=docket.received,
        accepted=docket.accepted,
        samples=docket.accepted,
        rejected=docket.rejected,
        items=sorted(docket.items),
        dead=Counter({verdict.NAN: dead} if dead else {}),
        payloads=payloads,
    )
