"""One multiplexed RESP3 connection to Redis for a whole process, with client-side tracking.

Commands of all requests share one socket: they are written once a loop tick and answered in order, so an
answer that is overdue proves the connection dead, and the connection's state is the breaker. Nothing waits
for a Redis that is away: calls fail at once, a background task reconnects.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import hiredis
from chassis import metrics
from chassis.logs import get_logger

log = get_logger(__name__)

_FAILURES = metrics.counter(
    "shortener_redis_failures_total", "Commands or connections that failed.", ("reason",)
)

RECEIVE_GRACE_S = 0.002  # a timer that fires late must not blame Redis: first read what has arrived
BACKOFF_FIRST_S = 0.02
HEARTBEAT_S = 1.0
DEFAULT_PORT = 6379
_INCOMPLETE = object()

Argument = bytes | str | int
Command = tuple[Argument, ...]
Callback = Callable[[Any], None]


class RedisFailure(Exception):  # noqa: N818 the field's word
    """Redis did not answer: away, silent, refusing or overloaded; `reason` is the metric's label."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class WireListener(Protocol):
    """Called on the event loop, in the order of the socket."""

    def on_redis_up(self) -> None: ...
    def on_redis_lost(self) -> None: ...
    def on_redis_invalidate(self, keys: list[bytes] | None) -> None: ...


class _Pending:
    __slots__ = ("callback", "deadline")

    def __init__(self, deadline: float, callback: Callback) -> None:
        self.deadline = deadline
        self.callback = callback


class Connection(asyncio.Protocol):
    """One socket: commands out in batches, answers in order, pushes to the listener."""

    def __init__(self, *, timeout_s: float, pending_max: int, on_push: Callback) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._pending: deque[_Pending] = deque()
        self._outgoing: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._pending_max = pending_max
        self._on_push = on_push
        self.timeout_s = timeout_s
        self.lost: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def submit(self, command: Command, callback: Callback) -> None:
        """Queue a command for this tick's write; `callback` gets the answer or an exception, always once."""
        if self.lost.done():
            callback(RedisFailure("lost"))
            return
        if len(self._pending) >= self._pending_max:
            _FAILURES.labels("busy").inc()
            callback(RedisFailure("busy"))
            return
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(hiredis.pack_command(command))  # type: ignore[arg-type]  # narrow stub
        self._pending.append(_Pending(time.monotonic() + self.timeout_s, callback))
        if self._watch is None:
            self._watch = self._loop.call_later(self.timeout_s, self._check)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                if type(reply) is hiredis.PushNotification:
                    self._on_push(reply)
                elif self._pending:
                    self._pending.popleft().callback(reply)
                    if type(reply) is hiredis.ReplyError and str(reply).startswith("NOSCRIPT"):
                        self.abort("noscript")  # someone flushed the scripts: the next handshake loads them
        except hiredis.ProtocolError as error:
            self.abort("protocol", str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("lost", str(exc or "closed"))

    def abort(self, reason: str, detail: str = "") -> None:
        """Cut the connection; all that waits on it fails with `reason`."""
        if self._transport is not None:
            self._transport.abort()
        self._end(reason, detail)

    def _flush(self) -> None:
        if self._transport is not None and self._outgoing and not self.lost.done():
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def _check(self) -> None:
        """One timer for all commands: the oldest is the first to be overdue."""
        self._watch = None
        if not self._pending or self.lost.done():
            return
        overdue_s = time.monotonic() - self._pending[0].deadline
        if overdue_s < 0:
            self._watch = self._loop.call_later(-overdue_s, self._check)
        else:
            self._watch = self._loop.call_later(RECEIVE_GRACE_S, self._confirm, self._pending[0])

    def _confirm(self, overdue: _Pending) -> None:
        self._watch = None
        if self._pending and self._pending[0] is overdue:
            self.abort("timeout", f"no answer within {self.timeout_s} s")
        else:
            self._check()

    def _end(self, reason: str, detail: str) -> None:
        if self.lost.done():
            return
        self.lost.set_result(None)
        if self._watch is not None:
            self._watch.cancel()
        _FAILURES.labels(reason).inc()
        log.warning("redis.lost", reason=reason, detail=detail, waiting=len(self._pending))
        failure = RedisFailure(reason, detail)
        while self._pending:
            self._pending.popleft().callback(failure)


class RedisWire:
    """The process's connection, kept up by `run`; `up` is false whenever a call could not succeed at once."""

    def __init__(
        self,
        url: str,
        *,
        password: str | None,
        scripts: Sequence[bytes] = (),
        timeout_s: float,
        handshake_timeout_s: float,
        backoff_max_s: float,
        pending_max: int,
        name: str = "shortener",
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORT
        self._tls = parts.scheme == "rediss"
        self._user = unquote(parts.username or "default")
        self._password = password if password is not None else (unquote(parts.password or "") or None)
        self._database = int(parts.path.strip("/") or 0)
        self._scripts, self._name = scripts, name
        self._listener: WireListener | None = None
        self._timeout_s, self._handshake_timeout_s = timeout_s, handshake_timeout_s
        self._backoff_max_s, self._pending_max = backoff_max_s, pending_max
        self._connection: Connection | None = None

    @property
    def up(self) -> bool:
        return self._connection is not None and not self._connection.lost.done()

    def submit(self, command: Command, callback: Callback) -> None:
        """Send one command; `callback` gets the answer, `hiredis.ReplyError` or `RedisFailure`."""
        if self._connection is None:
            callback(RedisFailure("down"))
        else:
            self._connection.submit(command, callback)

    async def call(self, *command: Argument) -> Any:
        """Send one command and wait at most `timeout_s`; raises RedisFailure, for error replies too."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.submit(command, partial(_settle, future))
        return await future

    async def run(self, listener: WireListener) -> None:
        """Keep the connection up until cancelled."""
        self._listener = listener
        backoff_s = BACKOFF_FIRST_S
        try:
            while True:
                began = time.monotonic()
                await self._live(listener)
                stable = time.monotonic() - began > self._backoff_max_s * 4
                backoff_s = BACKOFF_FIRST_S if stable else min(backoff_s * 2, self._backoff_max_s)
                await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 spreads, hides nothing
        finally:
            if self._connection is not None:
                self._connection.abort("closed")
                self._connection = None

    async def _live(self, listener: WireListener) -> None:
        """One life of the connection: connect, serve, notice the end."""
        try:
            connection = await self._connect()
        except (OSError, TimeoutError, RedisFailure) as error:
            _FAILURES.labels("connect").inc()
            log.info("redis.connect_failed", error=type(error).__name__, detail=str(error))
            return
        connection.timeout_s = self._timeout_s
        self._connection = connection
        log.info("redis.up")
        listener.on_redis_up()
        try:
            await self._heartbeats(connection)
        finally:
            self._connection = None
            listener.on_redis_lost()

    async def _heartbeats(self, connection: Connection) -> None:
        """Return when the connection is lost; a PING now and then finds out on an idle one too."""
        while True:
            done, _ = await asyncio.wait([connection.lost], timeout=HEARTBEAT_S)
            if done:
                return
            connection.submit((b"PING",), _ignore)

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._handshake_timeout_s):
            _, connection = await loop.create_connection(
                self._protocol, self._host, self._port, ssl=True if self._tls else None
            )
            answers = []
            for command in self._handshake():
                answers.append(loop.create_future())
                connection.submit(command, partial(_settle, answers[-1]))
            try:
                await asyncio.gather(*answers)
            except (RedisFailure, asyncio.CancelledError):
                connection.abort("handshake")
                raise
        return connection

    def _protocol(self) -> Connection:
        return Connection(
            timeout_s=self._handshake_timeout_s, pending_max=self._pending_max, on_push=self._pushed
        )

    def _handshake(self) -> list[Command]:
        hello: Command = (b"HELLO", 3)
        if self._password is not None:
            hello = (*hello, b"AUTH", self._user, self._password)
        commands: list[Command] = [(*hello, b"SETNAME", self._name)]
        if self._database:
            commands.append((b"SELECT", self._database))
        # NOLOOP: the fill of this process must not evict what it has just put into its own cache.
        commands.append((b"CLIENT", b"TRACKING", b"ON", b"NOLOOP"))
        commands.extend((b"SCRIPT", b"LOAD", script) for script in self._scripts)
        return commands

    def _pushed(self, push: list[Any]) -> None:
        if push[0] == b"invalidate" and self._listener is not None:
            self._listener.on_redis_invalidate(push[1])


def _settle(future: asyncio.Future[Any], reply: Any) -> None:
    if future.done():
        return
    if isinstance(reply, hiredis.ReplyError):
        _FAILURES.labels("refused").inc()
        future.set_exception(RedisFailure("refused", str(reply)))
    elif isinstance(reply, Exception):
        future.set_exception(reply)
    else:
        future.set_result(reply)


def _ignore(_reply: Any) -> None:
    return
