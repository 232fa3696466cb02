"""Influx line protocol over HTTP: `/write` of version 1, `/api/v2/write` of version 2."""

import json

from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.domain.verdict import Verdict
from metrics_ingest.receivers.messages import Answer, Request
from metrics_ingest.receivers.parsing import influx as parsing
from metrics_ingest.receivers.taking import Resources, reasons, take

PROTOCOL = "influx"
_V2_PREFIX = "/api/v2/"
_CODES = {
    400: "invalid", 401: "unauthorized", 403: "forbidden", 404: "not found", 405: "method not allowed",
    413: "request too large", 415: "unsupported media type", 429: "too many requests", 503: "unavailable",
}  # fmt: skip
_NAMED_MAX = 10
# What senders say of a text of which HTTP knows no name: the truth, nothing, or what their library says.
_TYPES = frozenset(("", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"))


async def receive(res: Resources, tenant: Tenant, request: Request) -> Answer:
    """204 when every field was accepted, 400 naming the first refused lines when the others were."""
    if request.media_type not in _TYPES:
        return failure(request, 415, "content type must be text/plain")
    precision = request.query.get("precision") or "ns"
    unit_ns = parsing.PRECISIONS.get(precision)
    if unit_ns is None:
        return failure(request, 400, f"precision must be one of {', '.join(parsing.PRECISIONS)}")
    points = parsing.read(request.body, unit_ns, request.query.get("db", ""))
    found = await take(res, tenant, points, protocol=PROTOCOL, body_bytes=len(request.body))
    return failure(request, 400, _told(found)) if found.rejected else Answer(204)


def _told(found: Verdict) -> str:
    dropped = found.received - found.accepted
    lines = "; ".join(f"line {line}: {reason}" for line, reason in found.items[:_NAMED_MAX])
    scope = "partial write" if found.accepted else "write refused"
    return f"{scope}: {reasons(found)}: {lines} dropped={dropped}"


def failure(request: Request, status: int, message: str) -> Answer:
    """In the form of the version that was asked."""
    if request.path.startswith(_V2_PREFIX):
        body = {"code": _CODES.get(status, "internal error"), "message": message}
    else:
        body = {"error": message}
    headers = {"content-type": "application/json", "x-influxdb-error": _header_text(message)}
    return Answer(status, json.dumps(body).encode(), headers)


def _header_text(message: str) -> str:
    return message.encode("ascii", "replace").decode()
