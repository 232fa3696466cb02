"""StatsD over UDP: lines are added up as they come, and told to the judge once a window.

Nothing is acknowledged to the sender, so nothing is promised: what is dropped is counted by reason. What has
been added up survives a failed flush, and its lines are accounted for by the next one.
"""

import asyncio
import contextlib
import os
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from chassis.logs import get_logger
from chassis.metrics import Tally

from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.domain.verdict import Payload, Verdict
from metrics_ingest.receivers.aggregates import DROPPED, AggregateBounds, Aggregates, Told
from metrics_ingest.receivers.parsing import statsd as parsing
from metrics_ingest.receivers.taking import EXAMPLES_MAX, Resources, join

PROTOCOL = "statsd"
RATE = "rate"
KERNEL = "kernel"
_POINTS_AT_A_TIME = 256
_PACKET_BYTES_MAX = 2**16
# What Linux tells of a socket's memory (SO_MEMINFO); the last of these numbers are the packets it dropped.
_MEMINFO = 55
_MEMINFO_FORMAT = struct.Struct("=9I")

log = get_logger(__name__)

_DROPPED = Tally(
    "metrics_ingest_statsd_dropped_total",
    "StatsD lines dropped unaccounted, and packets that the kernel had no room for.",
    ("reason",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsdBounds:
    """`lines_max` is of one window: what it takes of the processor is bounded by it."""

    window_s: float = 1.0
    lines_max: int = 30_000
    receive_buffer_bytes: int = 4 * 2**20
    flush_timeout_s: float = 10.0
    aggregates: AggregateBounds = field(default_factory=AggregateBounds)


class Statsd:
    """One a process. `tenant` is asked before every flush: its limits may have changed.

    `passing`: what judge and accept raise while Postgres or Kafka are away.
    """

    def __init__(
        self,
        bounds: StatsdBounds,
        res: Resources,
        tenant: Callable[[], Awaitable[Tenant]],
        *,
        replica: str,
        passing: tuple[type[Exception], ...],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bounds = bounds
        self._res = res
        self._tenant = tenant
        self._passing: tuple[type[Exception], ...] = (TimeoutError, *passing)
        self._clock = clock
        self._aggregates = Aggregates(bounds.aggregates, replica)
        self._refused: Counter[str] = Counter()
        self._lines = 0

    @contextlib.asynccontextmanager
    async def listening(self, host: str, port: int, *, fd: int | None = None) -> AsyncIterator[int]:
        """The port in use, while it is; what has been added up by then is told at the end.

        With `fd` the socket is one that was opened already, for all replicas.
        """
        sock = _socket(host, port) if fd is None else socket.socket(fileno=os.dup(fd))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._bounds.receive_buffer_bytes)
        sock.setblocking(False)
        # Looked at after the transport has been closed, too.
        kernel = _KernelDrops(sock)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Packets(self.receive), sock=sock)
        flusher = asyncio.create_task(self._flush_forever(kernel))
        try:
            yield sock.getsockname()[1]
        finally:
            self._drain(sock)
            transport.close()
            flusher.cancel()
            await asyncio.gather(flusher, return_exceptions=True)
            await self._flush_or_wait()

    def _drain(self, sock: socket.socket) -> None:
        """What the kernel holds already; other replicas get what comes later."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(self._bounds.lines_max):
                self.receive(sock.recv(_PACKET_BYTES_MAX))

    def receive(self, packet: bytes) -> None:
        lines = packet.count(b"\n") + (not packet.endswith(b"\n"))
        self._lines += lines
        if self._lines > self._bounds.lines_max:
            _DROPPED.labels(RATE).value += lines
            return
        now = self._clock()
        for reading in parsing.read(packet):
            reason = reading if isinstance(reading, str) else self._aggregates.add(reading, now)
            if reason in DROPPED:
                _DROPPED.labels(reason).value += 1
            elif reason is not None:
                self._refused[reason] += 1

    async def flush(self) -> None:
        """Raises what judge and accept raise; the next flush then tells the same again."""
        self._lines = 0
        tenant = await self._tenant()
        refused, self._refused = self._refused, Counter()
        told: list[Told] = []
        try:
            total = Verdict(received=refused.total(), rejected=refused.copy())
            async with asyncio.timeout(self._bounds.flush_timeout_s):
                await self._tell(tenant, total, told)
        except BaseException:
            self._refused += refused
            for one in told:
                self._aggregates.take_back(one)
            raise
        for one in told:
            self._aggregates.settle(one)

    async def _tell(self, tenant: Tenant, total: Verdict, told: list[Told]) -> None:
        now = self._clock()
        points = self._aggregates.tell(now, int(now * 1000))
        while part := list(islice(points, _POINTS_AT_A_TIME)):
            told += part
            found = await self._res.judge.points(tenant, [one.point for one in part])
            _add(total, found, part)
        total.payloads = list(join(total.payloads))
        if total.received or total.payloads:
            await self._res.accepting.accept(tenant, total, PROTOCOL)

    async def _flush_forever(self, kernel: "_KernelDrops") -> None:
        while True:
            await asyncio.sleep(self._bounds.window_s)
            _DROPPED.labels(KERNEL).value += kernel.more()
            await self._flush_or_wait()

    async def _flush_or_wait(self) -> None:
        try:
            await self.flush()
        except self._passing as error:
            log.warning("statsd.flush_failed", error=type(error).__name__)


class _Packets(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 asyncio's signature
        self._receive(data)


def _add(total: Verdict, found: Verdict, told: Sequence[Told]) -> None:
    """In the sender's units: a point stands for the lines that were added up to it."""
    refused = dict(found.items)
    accepted = [one.lines for one in told if one.point.index not in refused]
    total.received += sum(one.lines for one in told)
    total.accepted += sum(accepted)
    total.samples += found.samples
    for one in told:
        if one.lines and one.point.index in refused:
            total.rejected[refused[one.point.index]] += one.lines
    total.items += found.items[: EXAMPLES_MAX - len(total.items)]
    total.payloads += _in_lines(found.payloads, iter(accepted))


def _in_lines(payloads: Sequence[Payload], lines: Iterator[int]) -> Iterator[Payload]:
    """Payloads hold the accepted points in their order."""
    for payload in payloads:
        yield replace(payload, accepted=sum(islice(lines, payload.accepted)))


def _socket(host: str, port: int) -> socket.socket:
    """Replicas share the port: the kernel deals packets out by their sender."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


class _KernelDrops:
    """Packets for which the socket's buffer had no room, as Linux counts them; elsewhere nobody knows.

    Replicas that were handed one socket all see all of them.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._seen = 0
        self.more()  # of an older socket: those are counted

    def more(self) -> int:
        """Since the last time."""
        try:
            memory = self._sock.getsockopt(socket.SOL_SOCKET, _MEMINFO, _MEMINFO_FORMAT.size)
            dropped: int = _MEMINFO_FORMAT.unpack(memory)[-1]
        except (OSError, struct.error):
            return 0
        more, self._seen = dropped - self._seen, dropped
        return more
