"""Prometheus' text format and OpenMetrics text, pushed: `/api/v1/import/prometheus`."""

from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.receivers.messages import Answer, Request
from metrics_ingest.receivers.parsing import exposition as parsing
from metrics_ingest.receivers.taking import Resources, reasons, take

PROTOCOL = "exposition"
# The last two are what HTTP libraries say of any body.
_TYPES = frozenset(
    ("", "text/plain", parsing.OPENMETRICS, "application/octet-stream", "application/x-www-form-urlencoded")
)
_NAMED_MAX = 10


async def receive(res: Resources, tenant: Tenant, request: Request) -> Answer:
    """204 when every line was accepted, 400 naming the first refused ones when the others were."""
    if request.media_type not in _TYPES:
        return failure(request, 415, f"content type must be text/plain or {parsing.OPENMETRICS}")
    openmetrics = parsing.is_openmetrics(request.media_type, request.body)
    points = parsing.read(request.body, openmetrics=openmetrics)
    found = await take(res, tenant, points, protocol=PROTOCOL, body_bytes=len(request.body))
    if not found.rejected:
        return Answer(204)
    named = "; ".join(f"line {line}: {reason}" for line, reason in found.items[:_NAMED_MAX])
    told = f"accepted {found.accepted} of {found.received} lines; refused: {reasons(found)}: {named}"
    return failure(request, 400, told)


def failure(_request: Request, status: int, message: str) -> Answer:
    return Answer(status, f"{message}\n".encode(), {"content-type": "text/plain; charset=utf-8"})
