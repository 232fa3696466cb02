"""Liveness and readiness: the process is alive, its dependencies answer, and it wants traffic."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from starlette.types import Receive, Scope, Send

from chassis.logs import get_logger
from chassis.metrics import gauge

Check = Callable[[], Awaitable[None]]

_log = get_logger(__name__)
_UP = gauge("health_check_up", "1 when the last readiness check of a dependency passed.", ("check",))


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    check: Check
    timeout_s: float
    critical: bool


class Health:
    """Checks run at once, each within its timeout; `ready` is false until start-up ends, and from SIGTERM."""

    def __init__(self) -> None:
        self.ready = False
        self._checks: list[_Entry] = []
        self._last: dict[str, str] = {}

    def add(self, name: str, check: Check, timeout_s: float = 1.0, *, critical: bool = True) -> None:
        """`check` raises when the dependency is away; one that is not critical is only shown."""
        self._checks.append(_Entry(name, check, timeout_s, critical))

    async def report(self) -> tuple[bool, dict[str, str]]:
        """Whether this process may get traffic, and the state of every dependency."""
        states = await asyncio.gather(*(self._run(entry) for entry in self._checks))
        checks = {entry.name: state for entry, state in zip(self._checks, states, strict=True)}
        failed = any(entry.critical and checks[entry.name] != "ok" for entry in self._checks)
        return self.ready and not failed, checks

    async def _run(self, entry: _Entry) -> str:
        outcome = (
            await asyncio.gather(asyncio.wait_for(entry.check(), entry.timeout_s), return_exceptions=True)
        )[0]
        if isinstance(outcome, TimeoutError):
            state = "timeout"
        else:
            state = "failed" if isinstance(outcome, BaseException) else "ok"
        self._note(entry.name, state, outcome)
        return state

    def _note(self, name: str, state: str, outcome: BaseException | None) -> None:
        """A change is news; the same state again is not."""
        _UP.labels(name).set(state == "ok")
        if self._last.get(name, "ok") != state:
            reason = type(outcome).__name__ if isinstance(outcome, BaseException) else None
            _log.warning("health.changed", check=name, state=state, reason=reason)
        self._last[name] = state

    async def healthz(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await _send_json(send, 200, {"status": "ok"})

    async def readyz(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        ready, checks = await self.report()
        status = "ok" if ready else "failing" if self.ready else "not_ready"
        await _send_json(send, 200 if ready else 503, {"status": status, "checks": checks})


async def _send_json(send: Send, status: int, body: object) -> None:
    payload = msgspec.json.encode(body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(payload)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": payload})
