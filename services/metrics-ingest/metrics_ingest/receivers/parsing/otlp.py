"""OTLP metrics requests, protobuf or JSON, as points; and the answers in the same encoding."""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from metrics_ingest.domain.bodies import BodyMalformed
from metrics_ingest.domain.points import NAME, Point, Refused, Sample
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.receivers.parsing import json_bounds, otlp_names, otlp_points
from metrics_ingest.receivers.parsing.otlp_pieces import pieces
from metrics_ingest.receivers.taking import COMPANION

# Stricter than the standard library's: neither NaN nor half a surrogate pair is JSON.
_TREE = msgspec.json.Decoder(dict[str, Any])
# What values of a wrong type come to within protobuf's reader, besides its own error.
_NO_REQUEST = (
    msgspec.DecodeError,
    json_format.Error,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
_IDENTITY = frozenset(("service.name", "service.namespace", "service.instance.id"))
# Name, job and instance stand beside the attributes.
_TARGET_OWN_LABELS = 3


def from_protobuf(body: bytes, tenant: Tenant) -> Iterator[Point | Refused]:
    """Points in the order of the request, companions (`target_info`) among them; raises `BodyMalformed`."""
    indices = itertools.count()
    for piece in pieces(body):
        try:
            request = ExportMetricsServiceRequest.FromString(piece)
        except DecodeError as error:
            raise BodyMalformed("the body is no ExportMetricsServiceRequest") from error
        yield from _request(request, tenant, indices)


def from_json(body: bytes, tenant: Tenant) -> Iterator[Point | Refused]:
    """The like of `from_protobuf`."""
    json_bounds.check(body)
    try:
        request = json_format.ParseDict(
            _TREE.decode(body), ExportMetricsServiceRequest(), ignore_unknown_fields=True
        )
    except _NO_REQUEST as error:
        raise BodyMalformed("the body is no ExportMetricsServiceRequest in JSON") from error
    yield from _request(request, tenant, itertools.count())


def _request(
    request: ExportMetricsServiceRequest, tenant: Tenant, indices: Iterator[int]
) -> Iterator[Point | Refused]:
    for resource_metrics in request.resource_metrics:
        yield from _resource(resource_metrics, tenant, indices)


def _resource(metrics: ResourceMetrics, tenant: Tenant, indices: Iterator[int]) -> Iterator[Point | Refused]:
    identity = _identity(metrics.resource)
    newest_ms = None
    for scope_metrics in metrics.scope_metrics:
        common = {**_scope(scope_metrics.scope), **identity}
        for metric in scope_metrics.metrics:
            for point in otlp_points.points(metric, common, indices):
                if isinstance(point, Point):
                    time_ms = point.series[0].timestamp_ms
                    newest_ms = time_ms if newest_ms is None else max(newest_ms, time_ms or 0)
                yield point
    if newest_ms is not None and identity:
        yield from _target_info(metrics.resource, identity, newest_ms, tenant)


def _identity(resource: Resource) -> dict[str, str]:
    """`job` and `instance`, as far as the resource says who it is."""
    known = {
        attribute.key: otlp_names.value_text(attribute.value)
        for attribute in resource.attributes
        if attribute.key in _IDENTITY
    }
    found = {}
    name, namespace = known.get("service.name"), known.get("service.namespace")
    if name:
        found["job"] = f"{namespace}/{name}" if namespace else name
    if instance := known.get("service.instance.id"):
        found["instance"] = instance
    return found


def _scope(scope: InstrumentationScope) -> dict[str, str]:
    """Who made the instrument: two libraries may give the same name to different things."""
    if not scope.name:
        return {}
    found = otlp_names.labels(scope.attributes, "otel_scope_")
    found["otel_scope_name"] = scope.name
    if scope.version:
        found["otel_scope_version"] = scope.version
    return found


def _target_info(
    resource: Resource, identity: dict[str, str], time_ms: int, tenant: Tenant
) -> Iterator[Point]:
    """What else is known of the resource; attributes beyond the tenant's limits are left out of it."""
    others = [attribute for attribute in resource.attributes if attribute.key not in _IDENTITY]
    fitting = [
        (name, value)
        for name, value in sorted(otlp_names.labels(others).items())
        if 0 < len(value.encode()) <= tenant.value_bytes_max
        and 0 < len(name) <= tenant.name_bytes_max
        and name not in {"job", "instance"}
    ]
    if fitting:
        kept = fitting[: max(0, tenant.labels_max - _TARGET_OWN_LABELS)]
        labels = ((NAME, "target_info"), *identity.items(), *kept)
        yield Point(COMPANION, (Sample(labels, time_ms, 1.0),))
