"""Our own JSON points: `{"points": [{"name", "labels", "type", "value", "timestamp_ms"?}]}`."""

import json
import math
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from metrics_ingest.domain import verdict
from metrics_ingest.domain.bodies import BodyMalformed
from metrics_ingest.domain.points import NAME, Point, Refused, Sample
from metrics_ingest.receivers.parsing import json_bounds
from metrics_ingest.receivers.parsing.naming import number_text

_SPECIAL = {"NaN": math.nan, "+Inf": math.inf, "Inf": math.inf, "-Inf": -math.inf}
_TIMESTAMP_MAX = 2**63
# A point written out: as many labels as there may be fit, every character escaped.
_POINT_BYTES_MAX = 2**19
_COUNT_MAX = 2**53

Labels = tuple[tuple[str, str], ...]
Bucket = tuple[float, int]  # its bound and its count


class _Batch(msgspec.Struct):
    points: list[msgspec.Raw]


class _Point(msgspec.Struct):
    """What can be wrong with one value has a reason of its own: those are looked at by hand."""

    name: str = ""
    labels: msgspec.Raw = msgspec.Raw(b"{}")
    type: Literal["gauge", "counter", "histogram"] = "gauge"
    value: Any = None
    timestamp_ms: Any = None


_batches = msgspec.json.Decoder(_Batch)
_points = msgspec.json.Decoder(_Point)
_labels = msgspec.json.Decoder(dict[str, str])


def read(body: bytes) -> Iterator[Point | Refused]:
    """Each point by its index. Raises `BodyMalformed`, `TooManyValues` instead of the first of them.

    Nothing is read before that one is asked for: whoever asks chooses the thread.
    """
    json_bounds.check(body)
    try:
        batch = _batches.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BodyMalformed(f'the body is not {{"points": [...]}}: {error}') from error
    for index, raw in enumerate(batch.points):
        yield _read(index, raw)


def _read(index: int, raw: msgspec.Raw) -> Point | Refused:
    if len(memoryview(raw)) > _POINT_BYTES_MAX:
        return Refused(index, verdict.MALFORMED)
    try:
        point = _points.decode(raw)
        labels = _labels.decode(point.labels)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return Refused(index, verdict.MALFORMED)
    if reason := _contradiction(point, labels):
        return Refused(index, reason)
    pairs = tuple(labels.items())
    series = _histogram(point, pairs) if point.type == "histogram" else _single(point, pairs)
    return Refused(index, series) if isinstance(series, str) else Point(index, series)


def _contradiction(point: _Point, labels: dict[str, str]) -> str:
    if not point.name:
        return verdict.MISSING_NAME
    if NAME in labels or _repeats(bytes(point.labels), labels):
        return verdict.DUPLICATE_LABEL
    at = point.timestamp_ms
    if at is not None and (type(at) is not int or abs(at) >= _TIMESTAMP_MAX):
        return verdict.INVALID_TIMESTAMP
    return ""


def _repeats(text: bytes, labels: dict[str, str]) -> bool:
    """Whether the object names a label twice, of which readers of JSON keep one in silence."""
    return text.count(b":") > len(labels) < len(json.loads(text, object_pairs_hook=list))


def _single(point: _Point, labels: Labels) -> tuple[Sample, ...] | str:
    value = _number(point.value)
    if value is None or (point.type == "counter" and value < 0):
        return verdict.INVALID_VALUE
    return (Sample(((NAME, point.name), *labels), point.timestamp_ms, value),)


def _number(value: object) -> float | None:
    """JSON has no name for what is not finite: Prometheus' own are taken."""
    if isinstance(value, str):
        return _SPECIAL.get(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _histogram(point: _Point, labels: Labels) -> tuple[Sample, ...] | str:
    """Cumulative buckets; the last bound is always infinity."""
    if not isinstance(point.value, dict):
        return verdict.INVALID_VALUE
    count, total = _count(point.value.get("count")), _number(point.value.get("sum"))
    buckets = _buckets(point.value.get("buckets"), count)
    if count is None or total is None or buckets is None:
        return verdict.INVALID_HISTOGRAM
    at = point.timestamp_ms
    return (
        *(
            Sample(((NAME, f"{point.name}_bucket"), *labels, ("le", number_text(le))), at, float(so_far))
            for le, so_far in buckets
        ),
        Sample(((NAME, f"{point.name}_sum"), *labels), at, total),
        Sample(((NAME, f"{point.name}_count"), *labels), at, float(count)),
    )


def _count(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _COUNT_MAX else None


def _buckets(value: object, count: int | None) -> list[Bucket] | None:
    """Bounds and counts, each above the one before; none where they contradict each other."""
    if not isinstance(value, list) or count is None:
        return None
    found: list[Bucket] = []
    for one in value:
        bucket = _bucket(one)
        if bucket is None or (found and (bucket[0] <= found[-1][0] or bucket[1] < found[-1][1])):
            return None
        found.append(bucket)
    if not found or found[-1][0] != math.inf:
        found.append((math.inf, count))
    # The last but one may not be above it, and infinity's is the count.
    return found if found[-1][1] == count and all(so_far <= count for _, so_far in found) else None


def _bucket(value: object) -> Bucket | None:
    if not isinstance(value, dict):
        return None
    le, count = _number(value.get("le")), _count(value.get("count"))
    if le is None and isinstance(value.get("le"), str):
        le = _bound(value["le"])
    return None if le is None or math.isnan(le) or count is None else (le, count)


def _bound(text: str) -> float | None:
    """Prometheus writes bounds as text."""
    try:
        return float(text)
    except ValueError:
        return None
