"""OTLP over HTTP: `/v1/metrics` in protobuf and JSON."""

from collections.abc import Callable, Iterator

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from metrics_ingest.domain.points import Point, Refused
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.receivers.messages import Answer, Request
from metrics_ingest.receivers.parsing import otlp as parsing
from metrics_ingest.receivers.taking import Resources, reasons, take

PROTOCOL = "otlp"
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
_READERS: dict[str, Callable[[bytes, Tenant], Iterator[Point | Refused]]] = {
    PROTOBUF: parsing.from_protobuf,
    JSON: parsing.from_json,
}
# google.rpc.Code by HTTP status; senders decide by the latter whether to try again.
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 408: 4, 413: 3, 415: 3, 429: 8, 503: 14}
_UNKNOWN = 2


async def receive(res: Resources, tenant: Tenant, request: Request) -> Answer:
    """200 whether all or none of its points were accepted: what was not is told in `partial_success`."""
    reader = _READERS.get(request.media_type)
    if reader is None:
        return failure(request, 415, f"content type must be {PROTOBUF} or {JSON}")
    points = reader(request.body, tenant)
    found = await take(res, tenant, points, protocol=PROTOCOL, body_bytes=len(request.body))
    response = ExportMetricsServiceResponse()
    rejected = found.received - found.accepted
    if rejected:
        response.partial_success.rejected_data_points = rejected
        first, reason = found.items[0]
        response.partial_success.error_message = (
            f"{reasons(found)}; the first one is data point {first} of the request ({reason})"
        )
    return _answer(request, 200, response)


def failure(request: Request, status: int, message: str) -> Answer:
    """A `google.rpc.Status`, in the request's encoding where it has one of the two."""
    return _answer(request, status, Status(code=_CODES.get(status, _UNKNOWN), message=message))


def _answer(request: Request, status: int, message: Message) -> Answer:
    if request.media_type == PROTOBUF:
        return Answer(status, message.SerializeToString(), {"content-type": PROTOBUF})
    text = json_format.MessageToJson(message, indent=None)
    return Answer(status, text.encode(), {"content-type": JSON})
