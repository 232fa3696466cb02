"""JSON points: `/api/v1/points`, our own protocol, which tells the most about what it did."""

from typing import Any

import msgspec
from chassis import problems
from chassis.problems import MEDIA_TYPE as PROBLEM
from chassis.problems import from_status

from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.problems import NothingAccepted
from metrics_ingest.receivers.messages import Answer, Request
from metrics_ingest.receivers.parsing import json_points as parsing
from metrics_ingest.receivers.parsing.json_bounds import VALUES_MAX
from metrics_ingest.receivers.taking import judged, reasons
from metrics_ingest.resources import Resources

PROTOCOL = "json"
JSON = "application/json"


class Refusal(msgspec.Struct, gc=False):
    """There may be very many in one answer: a third of what dicts take."""

    index: int
    reason: str


async def receive(res: Resources, tenant: Tenant, request: Request) -> Answer:
    """202 with every refusal by its index in the request; 400 when nothing in it was valid."""
    if request.media_type not in {"", JSON}:
        return failure(request, 415, f"content type must be {JSON}")
    found = await judged(
        res, tenant, parsing.read(request.body), body_bytes=len(request.body), examples_max=VALUES_MAX
    )
    if not found.received:
        return failure(request, 400, "there is no point in it")
    accepted = await res.accepting.accept(tenant, found, PROTOCOL)
    told: dict[str, Any] = {
        "accepted": found.accepted,
        "rejected": [Refusal(index, reason) for index, reason in found.items],
        "batch_id": accepted.batch_id,
        "position": accepted.position,
    }
    if not found.accepted:
        problem = NothingAccepted(f"Every point was refused: {reasons(found)}.", **told)
        return Answer(400, problems.encode(problem), {"content-type": PROBLEM})
    return Answer(202, msgspec.json.encode(told), {"content-type": JSON})


def failure(_request: Request, status: int, message: str) -> Answer:
    return Answer(status, problems.encode(from_status(status, message)), {"content-type": PROBLEM})
