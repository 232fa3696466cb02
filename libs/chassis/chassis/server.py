"""Runs an ASGI app or a worker until SIGTERM, and leaves without failing a request."""

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import logs, metrics, telemetry
from chassis.edge import Probes
from chassis.health import Health
from chassis.problems import RouteUnknown, send_problem
from chassis.settings import ChassisSettings

_FILES_WANTED = 65_536
_log = logs.get_logger(__name__)


class StopSignal(asyncio.Event):
    """Set once, by SIGTERM: a worker fetches nothing more, finishes what it holds and returns."""

    async def sleep(self, seconds: float) -> bool:
        """Sleeps, but wakes at once when stopping; true when it is."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), seconds)
        return self.is_set()


def serve(app: ASGIApp, settings: ChassisSettings, *, health: Health | None = None) -> None:
    """Serves until SIGTERM, then leaves in steps that lose no request; returns when all is done.

    1. Readiness turns false, and the inherited socket is left to the other processes that hold it.
    2. For `drain_s` every answer carries `Connection: close`, so that keep-alive clients move elsewhere;
       the direct port goes on accepting, for balancers that have not noticed yet.
    3. What is in flight ends, within `shutdown_timeout_s`; the app's lifespan closes its resources.
    """
    sockets = [_bind(settings), *_inherited(settings)]
    server = GracefulServer(app, settings, health, drain=_wait(settings.drain_s))
    _run(server.serve(sockets))


def serve_worker(
    settings: ChassisSettings,
    run: Callable[[StopSignal], Awaitable[None]],
    health: Health | None = None,
) -> None:
    """Runs `run` beside an HTTP server of health and metrics, until SIGTERM sets the signal it was given.

    It then has `worker_drain_timeout_s` to return before it is cancelled. When it fails, so does the process.
    """
    logs.setup(settings)
    _run(_work(settings, run, health or Health(), _bind(settings)))


class GracefulServer(uvicorn.Server):
    """uvicorn, with the drain phase that it lacks: on shutdown it closes idle connections at once.

    A client that is just sending on such a connection would lose that request.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ChassisSettings,
        health: Health | None,
        *,
        drain: Callable[[], Awaitable[None]],
        lifespan: bool = True,
    ) -> None:
        config = uvicorn.Config(
            app,
            interface="asgi3",
            http="httptools",
            ws="none",
            loop="none",
            lifespan="on" if lifespan else "off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.http_trusted_proxies),
            forwarded_allow_ips=settings.http_trusted_proxies,
            backlog=settings.http_backlog,
            timeout_keep_alive=int(settings.http_keepalive_s),
            timeout_graceful_shutdown=int(settings.shutdown_timeout_s),
        )
        super().__init__(config)
        self._health = health
        self._drain = drain
        self._draining = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        # What start-up made stays: else each full collection walks it again, some 50 ms for everybody.
        gc.collect()
        gc.freeze()
        address = sockets[0].getsockname() if sockets else None
        _log.info("server.started", address=address, shared=len(sockets or ()) > 1, pid=os.getpid())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Unlike uvicorn's, it does not raise the signal again at the end: a wanted stop exits 0."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.begin_drain)

    def begin_drain(self) -> None:
        if self._draining:
            return
        self._draining = True
        _log.info("server.draining", connections=len(self.server_state.connections))
        if self._health is not None:
            self._health.ready = False
        for shared in self.servers[1:]:
            shared.close()
        close = (b"connection", b"close")
        self.config.encoded_headers.append(close)
        # Requests in flight hold this very list, so their answers say it too.
        self.server_state.default_headers.append(close)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.begin_drain()
        if not self.force_exit:
            ticking = asyncio.create_task(self._keep_time())
            await self._drain()
            ticking.cancel()
        await super().shutdown(sockets)
        _log.info("server.stopped")

    async def _keep_time(self) -> None:
        """The Date header is renewed by the main loop, which has ended."""
        while True:
            await self.on_tick(0)
            await asyncio.sleep(1)


def _wait(seconds: float) -> Callable[[], Awaitable[None]]:
    async def wait() -> None:
        await asyncio.sleep(seconds)

    return wait


async def _work(
    settings: ChassisSettings,
    run: Callable[[StopSignal], Awaitable[None]],
    health: Health,
    direct: socket.socket,
) -> None:
    traces = telemetry.setup(settings)
    stop = StopSignal()
    lag = asyncio.create_task(metrics.watch_loop_lag())
    worker = asyncio.ensure_future(run(stop))

    async def drain() -> None:
        stop.set()
        await asyncio.wait({worker}, timeout=settings.worker_drain_timeout_s)

    server = GracefulServer(Probes(_nothing_here, health), settings, health, drain=drain, lifespan=False)
    worker.add_done_callback(lambda _: setattr(server, "should_exit", True))
    health.ready = True
    await server.serve([direct])
    lag.cancel()
    if not worker.done():
        _log.error("worker.cancelled", after_s=settings.worker_drain_timeout_s)
        worker.cancel()
    (outcome,) = await asyncio.gather(worker, return_exceptions=True)
    await asyncio.to_thread(traces.shutdown)
    if isinstance(outcome, Exception):
        _log.error("worker.failed", error=type(outcome).__name__, exc_info=outcome)
    if outcome is not None or not stop.is_set():
        raise SystemExit(1)


async def _nothing_here(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send_problem(send, RouteUnknown())


def _bind(settings: ChassisSettings) -> socket.socket:
    """The process's own listening socket. A port that is taken ends the process with a line that says so."""
    family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
    address = (settings.http_host, settings.http_port)
    try:
        return socket.create_server(address, family=family, backlog=settings.http_backlog)
    except OSError as error:
        _log.error("server.port_taken", host=address[0], port=address[1], reason=error.strerror)
        logs.flush()
        raise SystemExit(1) from error


def _inherited(settings: ChassisSettings) -> list[socket.socket]:
    """The listening socket that a supervisor holds for all replicas; a duplicate, so we may close it."""
    if settings.http_public_fd is None:
        return []
    shared = socket.socket(fileno=os.dup(settings.http_public_fd))
    shared.setblocking(False)
    return [shared]


def _run(main: Coroutine[Any, Any, None]) -> None:
    _raise_file_limit()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)
    finally:
        logs.flush()
        sys.stdout.flush()


def _raise_file_limit() -> None:
    """Sockets are files: the usual soft limit of 1,024 refuses clients long before the machine is busy."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(_FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
