"""OTLP requests, short to write."""

import struct
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)

from tests.support.series_registry import NOW_MS

NOW_NS = NOW_MS * 10**6
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
NO_VALUE = 1
STALE = struct.pack("<Q", 0x7FF0000000000002)


def attributes(**values: Any) -> list[KeyValue]:
    """Two underscores in a key stand for a dot."""
    return [KeyValue(key=key.replace("__", "."), value=any_value(value)) for key, value in values.items()]


def any_value(value: Any) -> AnyValue:
    if value is None or isinstance(value, AnyValue):
        return value or AnyValue()
    kinds = {
        str: "string_value",
        bool: "bool_value",
        int: "int_value",
        float: "double_value",
        bytes: "bytes_value",
    }
    return AnyValue(**{kinds[type(value)]: value})


def number(value: float | None = 1, at: int = NOW_NS, flags: int = 0, **labels: Any) -> NumberDataPoint:
    point = NumberDataPoint(time_unix_nano=at, flags=flags, attributes=attributes(**labels))
    if isinstance(value, int):
        point.as_int = value
    elif value is not None:
        point.as_double = value
    return point


def gauge(name: str, *points: NumberDataPoint, unit: str = "") -> Metric:
    metric = Metric(name=name, unit=unit)
    metric.gauge.data_points.extend(points or (number(),))
    return metric


def total(
    name: str, *points: NumberDataPoint, unit: str = "", temporality: Any = CUMULATIVE, monotonic: bool = True
) -> Metric:
    metric = Metric(name=name, unit=unit)
    metric.sum.data_points.extend(points or (number(),))
    metric.sum.is_monotonic = monotonic
    metric.sum.aggregation_temporality = temporality
    return metric


def histogram(
    name: str, *points: HistogramDataPoint, unit: str = "", temporality: Any = CUMULATIVE
) -> Metric:
    metric = Metric(name=name, unit=unit)
    metric.histogram.data_points.extend(points)
    metric.histogram.aggregation_temporality = temporality
    return metric


def buckets(counts: list[int], bounds: list[float], **more: Any) -> HistogramDataPoint:
    given = {"count": sum(counts), "sum": 1.5, "time_unix_nano": NOW_NS} | more
    return HistogramDataPoint(bucket_counts=counts, explicit_bounds=bounds, **given)


def exponential(name: str, *points: ExponentialHistogramDataPoint, temporality: Any = CUMULATIVE) -> Metric:
    metric = Metric(name=name)
    metric.exponential_histogram.data_points.extend(points)
    metric.exponential_histogram.aggregation_temporality = temporality
    return metric


def summary(name: str, *points: SummaryDataPoint) -> Metric:
    metric = Metric(name=name)
    metric.summary.data_points.extend(points)
    return metric


def request(
    *metrics: Metric, resource: dict[str, Any] | None = None, scope: str = ""
) -> ExportMetricsServiceRequest:
    message = ExportMetricsServiceRequest()
    one = message.resource_metrics.add()
    one.resource.attributes.extend(attributes(**(resource or {})))
    scope_metrics = one.scope_metrics.add()
    scope_metrics.scope.name = scope
    scope_metrics.metrics.extend(metrics)
    return message
