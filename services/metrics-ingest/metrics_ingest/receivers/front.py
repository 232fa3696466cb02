"""All ingestion routes: a plain ASGI callable between the chassis' layers and FastAPI.

It reads, authorises, limits and unpacks; the receiver of the protocol does the rest, and gives every failure
its protocol's form.
"""

import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Final
from urllib.parse import parse_qsl

from chassis import envelope, metrics
from chassis.kafka import SendFailed
from chassis.postgres import PASSING
from chassis.problems import Problem
from chassis.resilience import BulkheadFullError
from starlette.types import ASGIApp, Receive, Scope, Send

from metrics_ingest.domain.bodies import BodyError, BodyMalformed, BodyTooLarge, EncodingUnknown
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.receivers import datadog, exposition, influx, json_points, otlp, remote_write
from metrics_ingest.receivers.auth import DATADOG_HEADER, INFLUX_TOKEN
from metrics_ingest.receivers.messages import Answer, Request
from metrics_ingest.receivers.parsing import json_bounds
from metrics_ingest.receivers.reading import BodyLate
from metrics_ingest.resources import Resources
from metrics_ingest.usecases.allowance import TooManyPoints

_BODY_BUCKETS = (1e2, 1e3, 1e4, 1e5, 1e6, 4e6, 1.6e7, 3.2e7, 6.4e7)
_REQUESTS = metrics.Tally(
    "metrics_ingest_requests_total", "Ingestion requests by protocol and status.", ("protocol", "code")
)
_BODY_BYTES = metrics.histogram(
    "metrics_ingest_body_bytes", "Bodies as they came, compressed.", ("protocol",), _BODY_BUCKETS
)
_NO_CONTENT: Final = 204
_UNAVAILABLE: Final = 503
_SERVER_ERROR: Final = 500
_BODY_STATUS: Final[dict[type[Exception], int]] = {
    BodyTooLarge: 413,
    EncodingUnknown: 415,
    BodyLate: 408,
    BodyMalformed: 400,
    BodyError: 400,
}

# Passing failures of what stands behind us: the sender keeps the batch and tries again.
PASSING_FAILURES: tuple[type[Exception], ...] = (SendFailed, BulkheadFullError, *PASSING)


@dataclass(frozen=True, slots=True)
class Route:
    """`own` is the form of key that the protocol has besides; a `raw` body is its receiver's to unpack.

    `weigh` says what an unpacked body comes to in memory where that is more than its length tells.
    """

    path: str
    protocol: str
    receive: Callable[[Resources, Tenant, Request], Awaitable[Answer]]
    failure: Callable[[Request, int, str], Answer]
    own: str = ""
    raw: bool = False
    weigh: Callable[[bytes], int] = len


def _route(path: str, receiver: Any, **more: Any) -> Route:
    return Route(path, receiver.PROTOCOL, receiver.receive, receiver.failure, **more)


ROUTES: Final = {
    route.path: route
    for route in (
        _route("/api/v1/write", remote_write, raw=True),
        _route("/api/v1/points", json_points, weigh=json_bounds.weight),
        _route("/api/v1/import/prometheus", exposition),
        _route("/v1/metrics", otlp, weigh=json_bounds.weight),
        _route("/write", influx, own=INFLUX_TOKEN),
        _route("/api/v2/write", influx, own=INFLUX_TOKEN),
        _route("/api/v2/series", datadog, own=DATADOG_HEADER, weigh=json_bounds.weight),
    )
}


class Front:
    """One a process. Until `open` everything goes to the inner app, the lifespan first of all."""

    def __init__(self) -> None:
        self._res: Resources | None = None

    def before(self, app: ASGIApp) -> ASGIApp:
        self._inner = app
        return self

    def open(self, res: Resources) -> None:
        self._res = res

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = ROUTES.get(scope["path"]) if scope["type"] == "http" else None
        if route is None or self._res is None:
            await self._inner(scope, receive, send)
            return
        scope["route"] = route
        request = _request(scope)
        answer = await _answer(self._res, route, request, scope, receive)
        await _send(send, route, answer)


async def _answer(res: Resources, route: Route, request: Request, scope: Scope, receive: Receive) -> Answer:
    """Every expected failure in the protocol's form."""
    if scope["method"] != "POST":
        return _failure(route, request, 405, "only POST is understood here", {"allow": "POST"})
    try:
        return await _receive(res, route, request, scope, receive)
    except Problem as problem:
        return _failure(route, request, problem.status, problem.detail, problem.headers)
    except TooManyPoints as error:
        wait = {"retry-after": str(max(1, ceil(error.retry_after_s)))}
        return _failure(route, request, 429, str(error), wait)
    except (BodyError, BodyLate) as error:
        return _failure(route, request, _status_of(error), str(error))
    except PASSING_FAILURES:
        return _away(res, route, request)


def _status_of(error: BodyError | BodyLate) -> int:
    return next(status for kind, status in _BODY_STATUS.items() if isinstance(error, kind))


async def _receive(res: Resources, route: Route, request: Request, scope: Scope, receive: Receive) -> Answer:
    tenant = await res.access.tenant(request.headers, route.own)
    res.allowance.check(tenant)
    length = request.headers.get("content-length", "")
    declared = int(length) if length.isdecimal() else None
    request = replace(request, query=_query(res, scope))
    async with AsyncExitStack() as held:
        body = await held.enter_async_context(res.bodies.read(receive, declared, tenant.body_bytes_max))
        _BODY_BYTES.labels(route.protocol).observe(len(body))
        if not route.raw:
            encoding = request.headers.get("content-encoding", "")
            unpacked = res.unpacking.unpacked(body, encoding, tenant.unpacked_bytes_max, route.weigh)
            body = await held.enter_async_context(unpacked)
        return await route.receive(res, tenant, replace(request, body=body))


def _request(scope: Scope) -> Request:
    """Without its body."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope["path"], b"", headers)


def _query(res: Resources, scope: Scope) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            scope["query_string"].decode("latin-1"),
            keep_blank_values=True,
            max_num_fields=res.settings.query_parameters_max,
        )
    except ValueError as error:
        raise BodyMalformed("there are too many parameters") from error
    return dict(pairs)


def _away(res: Resources, route: Route, request: Request) -> Answer:
    """Spread over some seconds, or all that wait come back at once."""
    settings = res.settings
    after_s = random.randint(settings.retry_after_min_s, settings.retry_after_max_s)  # noqa: S311 jitter
    return _failure(
        route, request, 503, "cannot make it durable just now: try again", {"retry-after": str(after_s)}
    )


def _failure(
    route: Route, request: Request, status: int, message: str, headers: dict[str, str] | None = None
) -> Answer:
    answer = route.failure(request, status, message)
    return replace(answer, headers={**answer.headers, **(headers or {})})


async def _send(send: Send, route: Route, answer: Answer) -> None:
    _REQUESTS.labels(route.protocol, answer.status).value += 1
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    if answer.status != _NO_CONTENT:
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def refuse(scope: Scope, send: Send, problem: Problem) -> None:
    """For the chassis' layers: what they refuse has the form of the route's protocol, too.

    What failed here, foreseen or not, may go well the next time: senders are told so.
    """
    route = ROUTES.get(scope["path"])
    if route is None:
        await envelope.refuse(scope, send, problem)
        return
    scope["route"] = route
    status = _UNAVAILABLE if problem.status >= _SERVER_ERROR else problem.status
    headers = {"Retry-After": "1", **problem.headers} if status == _UNAVAILABLE else problem.headers
    await _send(send, route, _failure(route, _request(scope), status, problem.detail, headers))
