"""/api/v1 as Prometheus has it, per tenant: expressions, series and labels, so that Grafana points at it.

The answers have Prometheus' codes and envelopes, errors of keys included.
"""

import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from chassis import metrics
from chassis.postgres import PASSING
from chassis.problems import Problem
from fastapi import APIRouter, Request, Response

from metrics_ingest.domain import replies
from metrics_ingest.domain.questions import Parameters
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.usecases.queries import BAD_DATA, UNAVAILABLE, Queries, QueryFailed

# Grafana chooses what it may ask by it. It names the API that is spoken here, not the store behind it.
API_LEVEL: Final = "2.42.0"
PARAMETERS_MAX: Final = 100
_FORM: Final = "application/x-www-form-urlencoded"
_BUILD: Final = {
    "version": API_LEVEL,
    "revision": "",
    "branch": "",
    "buildUser": "",
    "buildDate": "",
    "goVersion": "",
}

_QUERIES = metrics.Tally("metrics_queries_total", "Queries by what was answered.", ("endpoint", "code"))
_SECONDS = metrics.histogram("metrics_query_seconds", "Time of one query.", ("endpoint",))

Ask = Callable[[Queries, Tenant, Parameters, Request], Awaitable[bytes]]


class Route(NamedTuple):
    name: str
    path: str
    summary: str
    ask: Ask
    # Documented ones; whatever else is sent is not passed on.
    parameters: tuple[str, ...] = ()


def _always(data: Any) -> Ask:
    """What is not kept here, answered as a Prometheus without any would."""
    body = replies.success(data)

    async def answer(_queries: Queries, _tenant: Tenant, _parameters: Parameters, _request: Request) -> bytes:
        return body

    return answer


_MATCHING: Final = ("match[]", "start", "end", "limit", "timeout", "min_position")
ROUTES: Final = (
    Route(
        "query",
        "/query",
        "Evaluate an expression at one moment",
        lambda queries, tenant, parameters, _: queries.instant(tenant, parameters),
        ("query", "time", "timeout", "min_position"),
    ),
    Route(
        "query_range",
        "/query_range",
        "Evaluate an expression over a range",
        lambda queries, tenant, parameters, _: queries.over_range(tenant, parameters),
        ("query", "start", "end", "step", "timeout", "min_position"),
    ),
    Route(
        "series",
        "/series",
        "List series",
        lambda queries, tenant, parameters, _: queries.series(tenant, parameters),
        _MATCHING,
    ),
    Route(
        "labels",
        "/labels",
        "List label names",
        lambda queries, tenant, parameters, _: queries.label_names(tenant, parameters),
        _MATCHING,
    ),
    Route(
        "label_values",
        "/label/{name:path}/values",
        "List the values of a label",
        lambda queries, tenant, parameters, request: queries.label_values(
            tenant, parameters, request.path_params["name"]
        ),
        _MATCHING,
    ),
    Route("buildinfo", "/status/buildinfo", "Tell which Prometheus API this speaks", _always(_BUILD)),
    Route("metadata", "/metadata", "List metadata of metrics: always none", _always({})),
    Route("query_exemplars", "/query_exemplars", "List exemplars: always none", _always([])),
    Route("rules", "/rules", "List rules: always none", _always({"groups": []})),
    Route("alerts", "/alerts", "List alerts: always none", _always({"alerts": []})),
)


def _endpoint(route: Route) -> Callable[[Request], Awaitable[Response]]:
    seconds = _SECONDS.labels(route.name)

    async def answer(request: Request) -> Response:
        started = time.perf_counter()
        response = await _answer(route, request)
        _QUERIES.labels(route.name, response.status_code).value += 1
        seconds.observe(time.perf_counter() - started, metrics.exemplar())
        return response

    return answer


async def _answer(route: Route, request: Request) -> Response:
    try:
        tenant = await request.app.state.resources.access.tenant(request.headers)
        body = await route.ask(request.app.state.queries, tenant, await _parameters(request), request)
    except QueryFailed as error:
        return Response(error.body, error.status, error.headers, "application/json")
    except Problem as error:
        content = replies.failure(error.code, error.detail)
        return Response(content, error.status, error.headers, "application/json")
    except PASSING:
        content = replies.failure(UNAVAILABLE, "keys cannot be looked up now")
        return Response(content, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "1"}, "application/json")
    return Response(body, media_type="application/json")


async def _parameters(request: Request) -> Parameters:
    """Those of a form come before those of the address, as in Prometheus. Raises `QueryFailed`."""
    found: dict[str, list[str]] = {}
    try:
        if request.method == "POST" and _media_type(request) == _FORM:
            _add(found, (await request.body()).decode("ascii"))
        _add(found, request.scope["query_string"].decode("ascii"))
    except ValueError as error:
        text = "the parameters are not a form, are too many, or are no UTF-8"
        raise QueryFailed(HTTPStatus.BAD_REQUEST, BAD_DATA, text) from error
    return found


def _add(found: dict[str, list[str]], text: str) -> None:
    pairs = parse_qsl(
        text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=PARAMETERS_MAX
    )
    for name, value in pairs:
        found.setdefault(name, []).append(value)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _described(route: Route, method: str) -> dict[str, Any]:
    """What OpenAPI says of the parameters, which are read by hand: they repeat, and come in two places."""
    schemas: dict[str, dict[str, Any]] = {name: {"type": "string"} for name in route.parameters}
    if "match[]" in schemas:
        schemas["match[]"] = {"type": "array", "items": {"type": "string"}}
    told: list[dict[str, Any]] = []
    if "{name:path}" in route.path:
        told.append({"name": "name", "in": "path", "required": True, "schema": {"type": "string"}})
    if method == "GET":
        told += [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]
    extra: dict[str, Any] = {"security": [{"ApiKey": []}]}
    if told:
        extra["parameters"] = told
    if method == "POST" and schemas:
        form = {"schema": {"type": "object", "properties": schemas}}
        extra["requestBody"] = {"content": {_FORM: form}}
    return extra


def _router() -> APIRouter:
    made = APIRouter(prefix="/api/v1", tags=["queries"])
    for route in ROUTES:
        for method in ("GET", "POST"):
            made.add_api_route(
                route.path,
                _endpoint(route),
                methods=[method],
                operation_id=f"{method.lower()}_{route.name}",
                summary=route.summary,
                response_class=Response,
                responses={
                    200: {"description": "Prometheus' envelope.", "content": {"application/json": {}}},
                    401: {"description": "No key, or an unknown one."},
                    400: {"description": "bad_data: a parameter, a selector, a position."},
                    422: {"description": "execution: the expression cannot be executed."},
                    503: {"description": "timeout or unavailable: the same again later."},
                },
                openapi_extra=_described(route, method),
            )
    return made


router = _router()
