"""One effect an Idempotency-Key: by memory in this process, by a table across processes (ADR-0008)."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from chassis import idempotency
from chassis.idempotency import Claimed, InFlight, Mismatch, Outcome, Replay
from chassis.postgres import Connection


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client gets, kept byte for byte for the repeats of its request."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    replayed: bool = False

    @classmethod
    def of(cls, document: Any, status: int = 200) -> "Answer":
        return cls(status, msgspec.json.encode(document))


class _Name(NamedTuple):
    scope: str
    key: str


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request with an Idempotency-Key.

    `scope` names the tenant, `fingerprint` covers route and parameters.
    """

    scope: str
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, scope: str, key: str | None, route: str, parameters: Any) -> "Repeatable | None":
        if key is None:
            return None
        return cls(scope, key, idempotency.fingerprint([route, parameters]))

    def part(self, number: int, parameters: Any) -> "Repeatable":
        """The key of one part of a request that is done in several transactions."""
        return Repeatable(
            self.scope, f"{self.key}#{number}", idempotency.fingerprint([self.fingerprint.hex(), parameters])
        )


class Once:
    """Stops repeats before they cost a connection: refused while the first runs, answered when it has ended.

    Ten thousand requests with one key would else queue for the pool only to learn the same. Memory is a
    shortcut: an answer is kept here only after its commit, and the table decides when memory is empty.
    `in_flight` and `mismatch` are the service's own errors.
    """

    def __init__(
        self,
        *,
        size_max: int,
        ttl_s: float,
        body_bytes_max: int,
        in_flight: Callable[[], Exception],
        mismatch: Callable[[], Exception],
    ) -> None:
        self._size_max = size_max
        self._ttl_s = ttl_s
        self._body_bytes_max = body_bytes_max
        self._in_flight, self._mismatch = in_flight, mismatch
        self._running: dict[_Name, bytes] = {}
        self._ended: OrderedDict[_Name, tuple[float, bytes, Answer]] = OrderedDict()

    async def run(self, request: Repeatable | None, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Raises what a refusal is; what `work` raises leaves the key free."""
        if request is None:
            return await work()
        name = _Name(request.scope, request.key)
        known = self._known(name, request.fingerprint)
        if known is not None:
            return known
        running = self._running.get(name)
        if running is not None:
            same = running == request.fingerprint
            _counted("inflight" if same else "mismatch")
            raise self._in_flight() if same else self._mismatch()
        self._running[name] = request.fingerprint
        try:
            answer = await work()
        finally:
            del self._running[name]
        self._keep(name, request.fingerprint, answer)
        return answer

    async def claim(
        self, conn: Connection, request: Repeatable | None, *, now: datetime | None = None
    ) -> Claimed | Answer | None:
        """Take the key in this transaction, or give the stored answer; None for a request without a key."""
        if request is None:
            return None
        outcome = await idempotency.claim(conn, request.scope, request.key, request.fingerprint, now=now)
        return outcome if isinstance(outcome, Claimed) else self.stored(outcome)

    def stored(self, outcome: Outcome) -> Answer:
        """The answer that another request left under the key; raises when it left none for this one."""
        match outcome:
            case Replay(status, headers, body):
                return Answer(status, body, headers, replayed=True)
            case Mismatch():
                raise self._mismatch()
            case InFlight() | Claimed():
                raise self._in_flight()

    def _known(self, name: _Name, fingerprint: bytes) -> Answer | None:
        entry = self._ended.get(name)
        if entry is None:
            return None
        expires, kept, answer = entry
        if expires < time.monotonic():
            del self._ended[name]
            return None
        if kept != fingerprint:
            _counted("mismatch")
            raise self._mismatch()
        _counted("replay")
        return replace(answer, replayed=True)

    def _keep(self, name: _Name, fingerprint: bytes, answer: Answer) -> None:
        if len(answer.body) > self._body_bytes_max:
            return
        self._ended[name] = (time.monotonic() + self._ttl_s, fingerprint, answer)
        while len(self._ended) > self._size_max:
            self._ended.popitem(last=False)


def _counted(outcome: str) -> None:
    """What memory decided counts as what the table decides, which never hears of it."""
    idempotency.OUTCOMES.labels(outcome).inc()


async def finish(conn: Connection, claimed: Claimed | None, answer: Answer) -> None:
    """Store the answer with the effect, in its transaction."""
    if claimed is not None:
        await idempotency.finish(conn, claimed, answer.status, answer.headers, answer.body)
