"""Structured logs: one JSON object a line on stdout, with the ids that join it to its trace and request."""

import asyncio
import json
import logging
import sys
import time
from collections.abc import MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import msgspec
import structlog
from opentelemetry import trace
from structlog.typing import FilteringBoundLogger

from chassis.settings import ChassisSettings

_FLUSH_AFTER_S = 0.1
_BUFFER_BYTES_MAX = 64 * 1024
_THROTTLE_LINES = 5
_THROTTLE_WINDOW_S = 10.0
_THROTTLE_KEYS_MAX = 512
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


@dataclass(slots=True)
class RequestContext:
    """What every log line and problem of one request carries."""

    request_id: str
    trace_id: str


request_context: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


class LineWriter:
    """Gathers lines and writes them at once: after 100 ms, 64 KiB, a warning, or `flush`.

    A process that is killed outright loses at most the last 100 ms of lines below warning.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: list[bytes] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def write(self, line: bytes, *, at_once: bool = False) -> None:
        """`line` ends with a newline."""
        self._lines.append(line)
        self._bytes += len(line)
        if at_once or self._bytes >= _BUFFER_BYTES_MAX or not self._flush_is_due():
            self.flush()

    def flush(self) -> None:
        lines, self._lines, self._bytes = self._lines, [], 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if lines:
            self._stream.write(b"".join(lines))
            self._stream.flush()

    def _flush_is_due(self) -> bool:
        """Whether a running loop will flush; a timer of a loop that has gone does not count."""
        if self._timer is not None and self._loop is not None and not self._loop.is_closed():
            return True
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        self._timer = self._loop.call_later(_FLUSH_AFTER_S, self.flush)
        return True


class _Clock:
    """UTC timestamps; the text of the second is made once a second."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self) -> str:
        now_ms = time.time_ns() // 1_000_000
        second = now_ms // 1000
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{now_ms % 1000:03d}Z"


_clock = _Clock()
_encoder = msgspec.json.Encoder(enc_hook=str)


class _Sink:
    """Where lines go; `setup` exchanges its parts, the loggers keep pointing at it."""

    def __init__(self) -> None:
        self.service = ""
        self.writer = LineWriter(sys.stdout.buffer)

    def emit(self, line: bytes, level: int) -> None:
        self.writer.write(line, at_once=level >= logging.WARNING)


_sink = _Sink()


def _encode(event: MutableMapping[str, Any]) -> bytes:
    try:
        return _encoder.encode(event) + b"\n"
    except (TypeError, ValueError):
        # Lone surrogates, keys that are no text: rare, and never a reason to lose the line.
        return json.dumps({str(k): v for k, v in event.items()}, default=repr).encode() + b"\n"


def line(level: str, event: str, **fields: Any) -> None:
    """The short way for hot paths: no structlog, no context lookup; give the ids yourself."""
    record = {"ts": _clock(), "level": level, "event": event, "service": _sink.service, **fields}
    _sink.emit(_encode(record), _LEVELS[level])


def write_members(level: int, members: str) -> None:
    """Shorter still: `members` is the inside of a JSON object that the caller has put together."""
    _sink.emit(f'{{"ts":"{_clock()}","service":"{_sink.service}",{members}}}\n'.encode(), level)


def _render(_logger: Any, level: str, event: MutableMapping[str, Any]) -> bytes:
    record: dict[str, Any] = {
        "ts": _clock(),
        "level": level,
        "event": event.pop("event", ""),
        "service": _sink.service,
    }
    context = request_context.get()
    if context is not None:
        record["trace_id"] = context.trace_id
        record["request_id"] = context.request_id
    else:
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            record["trace_id"] = format(span.trace_id, "032x")
    record.update(event)
    return _encode(record)


class _Out:
    """The bottom of structlog: every level method takes the rendered line."""

    def debug(self, line: bytes) -> None:
        _sink.emit(line, logging.DEBUG)

    def info(self, line: bytes) -> None:
        _sink.emit(line, logging.INFO)

    def warning(self, line: bytes) -> None:
        _sink.emit(line, logging.WARNING)

    def error(self, line: bytes) -> None:
        _sink.emit(line, logging.ERROR)

    critical = fatal = exception = error
    warn = warning
    msg = info


class Throttle(logging.Filter):
    """At most 5 lines in 10 s for one message of one logger: an alarm is news once, not 20,000 times."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = (record.name, str(record.msg))
        now = time.monotonic()
        since, count = self._seen.get(key, (now, 0))
        if now - since > _THROTTLE_WINDOW_S:
            since, count = now, 0
        if key not in self._seen and len(self._seen) >= _THROTTLE_KEYS_MAX:
            self._seen.clear()
        self._seen[key] = (since, count + 1)
        return count < _THROTTLE_LINES


class _StdlibHandler(logging.Handler):
    """Lines of libraries in the same shape: `event` is the logger's name, `message` the text."""

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        fields: dict[str, Any] = {"event": record.name, "message": record.getMessage().strip()}
        if record.exc_info:
            fields["exception"] = logging.Formatter().formatException(record.exc_info)
        _sink.emit(_render(None, level, fields), record.levelno)


def setup(settings: ChassisSettings, *, stream: BinaryIO | None = None) -> None:
    """Configures structlog and the standard library's logging for this process."""
    _sink.writer.flush()
    _sink.service = settings.service_name
    _sink.writer = LineWriter(stream if stream is not None else sys.stdout.buffer)
    level = _LEVELS[settings.log_level]
    structlog.configure(
        processors=[structlog.processors.format_exc_info, _render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Out(),
        cache_logger_on_first_use=False,
    )
    handler = _StdlibHandler()
    handler.addFilter(Throttle())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def flush() -> None:
    """Writes what is gathered; called when a process leaves."""
    _sink.writer.flush()


def get_logger(name: str) -> FilteringBoundLogger:
    return cast("FilteringBoundLogger", structlog.get_logger(logger_name=name))
