"""Datadog's metrics intake: `/api/v2/series`."""

import json
from collections.abc import Sequence

from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.receivers.messages import Answer, Request
from metrics_ingest.receivers.parsing import datadog as parsing
from metrics_ingest.receivers.taking import Resources, reasons, take

PROTOCOL = "datadog"
JSON = "application/json"
_NAMED_MAX = 10


async def receive(res: Resources, tenant: Tenant, request: Request) -> Answer:
    """202 as soon as one point was accepted (or there was none), with what was refused among `errors`."""
    if request.media_type not in {"", JSON}:
        return failure(request, 415, f"content type must be {JSON}")
    points = parsing.read(request.body)
    found = await take(res, tenant, points, protocol=PROTOCOL, body_bytes=len(request.body))
    if not found.rejected:
        return _answer(202, [])
    errors = [f"rejected: {reasons(found)}"]
    errors += [f"point {index}: {reason}" for index, reason in found.items[:_NAMED_MAX]]
    return _answer(202 if found.accepted else 400, errors)


def failure(_request: Request, status: int, message: str) -> Answer:
    return _answer(status, [message])


def _answer(status: int, errors: Sequence[str]) -> Answer:
    return Answer(status, json.dumps({"errors": errors}).encode(), {"content-type": "application/json"})
