"""OTLP data points as samples of Prometheus series, one `Point` each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    DataPointFlags,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)

from metrics_ingest.domain import verdict
from metrics_ingest.domain.points import NAME, Point, Refused, Sample
from metrics_ingest.receivers.parsing import otlp_buckets, otlp_names
from metrics_ingest.receivers.parsing.naming import STALE, number_text
from metrics_ingest.receivers.parsing.otlp_buckets import Range
from metrics_ingest.receivers.parsing.otlp_names import Kind

_NS_PER_MS = 1_000_000
_INF = float("inf")
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_NO_VALUE = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK

type_of_points = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint


@dataclass(slots=True)
class _Family:
    """The series of one data point: names with suffixes, labels, one time."""

    name: str
    labels: tuple[tuple[str, str], ...]
    timestamp_ms: int
    stale: bool

    def sample(self, suffix: str, value: float, *more: tuple[str, str]) -> Sample:
        labels = ((NAME, self.name + suffix), *self.labels, *more)
        return Sample(labels, self.timestamp_ms, STALE if self.stale else value)


def points(metric: Metric, common: dict[str, str], indices: Iterator[int]) -> Iterator[Point | Refused]:
    """`common`: labels of resource and scope, which win over a point's attributes of the same name.

    A sum or histogram that tells of changes only is refused: running totals would have to be kept for each
    series by one process, and outlive it; these are as many as one likes, and keep nothing (ADR-0017).
    """
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    data = getattr(metric, kind)
    reason = None
    if kind in {"sum", "histogram", "exponential_histogram"} and data.aggregation_temporality != _CUMULATIVE:
        reason = verdict.UNSUPPORTED_TEMPORALITY
    name = otlp_names.metric_name(metric.name, metric.unit, _kind(metric, kind))
    if not name:
        reason = verdict.INVALID_NAME if metric.name else verdict.MISSING_NAME
    for point in data.data_points:
        index = next(indices)
        yield Refused(index, reason) if reason else _point(index, name, point, common)


def _kind(metric: Metric, kind: str) -> Kind:
    if kind == "gauge":
        return Kind.GAUGE
    return Kind.COUNTER if kind == "sum" and metric.sum.is_monotonic else Kind.OTHER


def _point(index: int, name: str, point: type_of_points, common: dict[str, str]) -> Point | Refused:
    if not point.time_unix_nano:
        return Refused(index, verdict.INVALID_TIMESTAMP)
    family = _Family(
        name,
        _labels(point.attributes, common),
        point.time_unix_nano // _NS_PER_MS,
        bool(point.flags & _NO_VALUE),
    )
    if isinstance(point, NumberDataPoint):
        series = _number(family, point)
    elif isinstance(point, HistogramDataPoint):
        series = _histogram(family, point)
    elif isinstance(point, ExponentialHistogramDataPoint):
        series = _exponential(family, point)
    else:
        series = _summary(family, point)
    return Refused(index, series) if isinstance(series, str) else Point(index, series)


def _labels(attributes: Iterable[KeyValue], common: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple({**otlp_names.labels(attributes), **common}.items())


def _number(family: _Family, point: NumberDataPoint) -> tuple[Sample, ...] | str:
    kind = point.WhichOneof("value")
    if kind is None and not family.stale:
        return verdict.INVALID_VALUE
    return (family.sample("", point.as_double if kind == "as_double" else float(point.as_int)),)


def _histogram(family: _Family, point: HistogramDataPoint) -> tuple[Sample, ...] | str:
    counts, bounds = point.bucket_counts, point.explicit_bounds
    if len(counts) != len(bounds) + 1 and (counts or not family.stale) and (counts or bounds):
        return verdict.INVALID_HISTOGRAM
    buckets: list[tuple[float, int]] = []
    total, last = 0, -_INF
    for place, bound in enumerate(bounds):
        if not bound > last:
            return verdict.INVALID_HISTOGRAM
        total += counts[place] if counts else 0
        buckets.append((bound, total))
        last = bound
    if counts and total + counts[-1] > point.count:
        return verdict.INVALID_HISTOGRAM
    if buckets and last == _INF:
        buckets.pop()
    return _classic(family, point, buckets)


def _exponential(family: _Family, point: ExponentialHistogramDataPoint) -> tuple[Sample, ...] | str:
    positive = Range(point.positive.offset, list(point.positive.bucket_counts))
    negative = Range(point.negative.offset, list(point.negative.bucket_counts))
    if point.zero_count + sum(positive.counts) + sum(negative.counts) > point.count:
        return verdict.INVALID_HISTOGRAM
    if not 0 <= point.zero_threshold < _INF or not -10 <= point.scale <= 20:  # noqa: PLR2004 the model's bounds
        return verdict.INVALID_HISTOGRAM
    bounds = otlp_buckets.below(point.scale, point.zero_threshold, point.zero_count, negative, positive)
    return _classic(family, point, bounds)


def _classic(
    family: _Family,
    point: HistogramDataPoint | ExponentialHistogramDataPoint,
    buckets: Iterable[tuple[float, int]],
) -> tuple[Sample, ...]:
    samples = [family.sample("_bucket", count, ("le", number_text(bound))) for bound, count in buckets]
    samples.append(family.sample("_bucket", point.count, ("le", "+Inf")))
    if point.HasField("sum") or family.stale:
        samples.append(family.sample("_sum", point.sum))
    samples.append(family.sample("_count", point.count))
    return tuple(samples)


def _summary(family: _Family, point: SummaryDataPoint) -> tuple[Sample, ...] | str:
    samples = []
    for quantile in point.quantile_values:
        if not 0 <= quantile.quantile <= 1:
            return verdict.INVALID_VALUE
        samples.append(family.sample("", quantile.value, ("quantile", number_text(quantile.quantile))))
    return (*samples, family.sample("_sum", point.sum), family.sample("_count", point.count))
