"""One bounded pool a process: every wait has a limit, and an absent server is one exception type."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
from asyncpg.connection import LoggedQuery
from asyncpg.pool import PoolAcquireContext, PoolConnectionProxy
from opentelemetry import trace

from chassis import logs, metrics
from chassis.settings import ChassisSettings

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    _Pool = asyncpg.Pool[asyncpg.Record]
    _PlainConnection = asyncpg.Connection[asyncpg.Record]
    _AcquireContext = PoolAcquireContext[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    _Pool = asyncpg.Pool
    _PlainConnection = asyncpg.Connection
    _AcquireContext = PoolAcquireContext

log = logs.get_logger(__name__)
tracer = trace.get_tracer(__name__)

IDLE_CONNECTION_MAX_S = 300.0
POOL_CLOSE_TIMEOUT_S = 5.0
_JSONB_VERSION = b"\x01"

_CONNECTIONS = metrics.gauge("db_pool_connections", "Connections of the pool by state.", ("state",))
_ACQUIRE_SECONDS = metrics.histogram("db_pool_acquire_seconds", "Wait for a connection of the pool.")


class DatabaseUnavailable(Exception):  # noqa: N818 a state, as readiness tells it
    """Postgres is away, restarting, or has no connection left within the time allowed: answer 503."""


# What asyncpg raises when the server, and not the statement, is at fault.
SERVER_AWAY: tuple[type[Exception], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
)
_ACQUIRE_FAILURES: tuple[type[Exception], ...] = (
    *SERVER_AWAY,
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
# For `except` clauses that cover the server's absence and its slowness alike.
UNAVAILABLE: tuple[type[Exception], ...] = (DatabaseUnavailable, TimeoutError, *SERVER_AWAY)
# The server is there, but this statement lost: a deadlock, a lock not had in time, a run that was too long.
BUSY: tuple[type[Exception], ...] = (
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.SerializationError,
)
# For loops that must outlive both: what failed is tried again at the next turn.
PASSING: tuple[type[Exception], ...] = (*UNAVAILABLE, *BUSY)


class _Connection(_PlainConnection):
    """A connection that keeps no session state, so that a release costs no round trip."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        """Empty: settings are transaction-local, and LISTEN or session locks use connections of their own."""
        return ""


class _Acquire(_AcquireContext):
    """`pool.acquire()` that tells an absent server from a failing statement."""

    __slots__ = ("_traced", "_within_s")

    def __init__(self, pool: _Pool, within_s: float) -> None:
        # asyncpg's own timeout would make a task of every acquire.
        super().__init__(pool, None)
        self._within_s = within_s

    async def __aenter__(self) -> Any:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._within_s):
                connection = await super().__aenter__()
        except _ACQUIRE_FAILURES as error:
            raise DatabaseUnavailable(str(error) or type(error).__name__) from error
        finally:
            _ACQUIRE_SECONDS.observe(time.perf_counter() - started)
        self._traced = trace.get_current_span().is_recording()
        if self._traced:
            connection.add_query_logger(_record_span)
        return connection

    async def __aexit__(self, *exc: object) -> None:
        error = exc[1]
        connection = self.connection
        assert connection is not None  # noqa: S101 it was entered
        lost = is_lost(connection)
        if self._traced and not lost:
            connection.remove_query_logger(_record_span)
        if isinstance(error, asyncpg.InternalClientError) and not lost:
            # The client met the end of the stream within a message: of no more use.
            connection.terminate()
        self.done, self.connection = True, None
        try:
            await self.pool.release(connection, timeout=self._within_s)
        except _ACQUIRE_FAILURES as failure:
            # The work was done before the release: only the connection is gone, and the pool replaces it.
            log.warning("postgres.release_failed", error=type(failure).__name__)
        if isinstance(error, Exception) and _is_absence(error, lost=lost):
            raise DatabaseUnavailable(str(error) or type(error).__name__) from error


class Pool(_Pool):
    """asyncpg's pool with a default acquire timeout, metrics, and `DatabaseUnavailable`."""

    def __init__(self, *args: Any, acquire_timeout_s: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._acquire_timeout_s = acquire_timeout_s
        _CONNECTIONS.labels("used").set_function(lambda: self.get_size() - self.get_idle_size())
        _CONNECTIONS.labels("idle").set_function(self.get_idle_size)
        _CONNECTIONS.labels("max").set_function(self.get_max_size)

    def acquire(self, *, timeout: float | None = None) -> Any:
        return _Acquire(self, self._acquire_timeout_s if timeout is None else timeout)


async def create_pool(settings: ChassisSettings) -> Pool:
    """Open the service's pool; an absent server is no error here, the pool recovers."""
    timeout_ms = str(int(settings.database_timeout_s * 1000))
    password = settings.database_password
    pool = Pool(
        settings.database_url,
        password=None if password is None else password.get_secret_value(),
        acquire_timeout_s=settings.database_timeout_s,
        # asyncpg's own floor needs the server at start; `_warm` opens the first connections instead.
        min_size=0,
        max_size=settings.database_pool_max,
        max_queries=1_000_000,
        max_inactive_connection_lifetime=IDLE_CONNECTION_MAX_S,
        connect=None,
        setup=None,
        init=_init,
        loop=None,
        connection_class=_Connection,
        record_class=asyncpg.Record,
        timeout=settings.database_timeout_s,
        # A little above the server's own limit: its error tells more than ours.
        command_timeout=settings.database_timeout_s + 1.0,
        server_settings={
            "application_name": settings.service_name,
            "statement_timeout": timeout_ms,
            "lock_timeout": timeout_ms,
            "idle_in_transaction_session_timeout": str(int(settings.database_timeout_s * 2000)),
            "jit": "off",
        },
    )
    await pool
    await _warm(pool, settings.database_pool_min)
    return pool


@contextlib.asynccontextmanager
async def pool_of(settings: ChassisSettings) -> AsyncIterator[Pool]:
    """The pool for the life of a process; closing is bounded, then connections are cut."""
    pool = await create_pool(settings)
    try:
        yield pool
    finally:
        await close(pool)


async def close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(POOL_CLOSE_TIMEOUT_S):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def ping(pool: Pool) -> None:
    """Raise `DatabaseUnavailable` unless a connection answers."""
    async with pool.acquire() as connection:
        await connection.execute("SELECT 1")


def is_lost(connection: Connection) -> bool:
    """Whether the connection broke; asyncpg detaches a pooled one as soon as it notices."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


async def _warm(pool: Pool, size: int) -> None:
    try:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(size):
                await stack.enter_async_context(pool.acquire())
    except DatabaseUnavailable as error:
        log.warning("postgres.absent", error=str(error))


async def _init(connection: Any) -> None:
    for name, encode, decode in (
        ("jsonb", _encode_jsonb, _decode_jsonb),
        ("json", msgspec.json.encode, msgspec.json.decode),
    ):
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=encode, decoder=decode, format="binary"
        )


def _encode_jsonb(value: Any) -> bytes:
    return _JSONB_VERSION + msgspec.json.encode(value)


def _decode_jsonb(data: bytes) -> Any:
    return msgspec.json.decode(memoryview(data)[1:])


def _is_absence(error: BaseException, *, lost: bool) -> bool:
    if isinstance(error, (*SERVER_AWAY, asyncpg.InternalClientError)):
        return True
    # uvloop may surface a cut connection as OSError or RuntimeError: ours only if the connection is closed.
    return lost and isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, RuntimeError))


def _record_span(query: LoggedQuery) -> None:
    ended = time.time_ns()
    started = ended - int(query.elapsed * 1e9)
    span = tracer.start_span("postgres.query", kind=trace.SpanKind.CLIENT, start_time=started)
    span.set_attribute("db.system.name", "postgresql")
    span.set_attribute("db.query.text", query.query)
    if query.exception is not None:
        span.record_exception(query.exception)
        span.set_status(trace.StatusCode.ERROR)
    span.end(ended)
