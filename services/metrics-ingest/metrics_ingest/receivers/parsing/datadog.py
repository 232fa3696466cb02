"""Series as Datadog's API v2 takes them, one point a value."""

import itertools
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

import msgspec

from metrics_ingest.domain import verdict
from metrics_ingest.domain.bodies import BodyMalformed
from metrics_ingest.domain.points import NAME, Point, Refused, Sample
from metrics_ingest.receivers.parsing import json_bounds
from metrics_ingest.receivers.parsing.naming import joined, label_name, metric_name
from metrics_ingest.receivers.parsing.tags import tags

_TYPES = frozenset((0, 1, 2, 3))
_MS_PER_S = 1000
_TIMESTAMP_S_MAX = 2**53
_VALUE_MAX = sys.float_info.max


class _Resource(msgspec.Struct, frozen=True, gc=False):
    name: str = ""
    type: str = ""


class _Series(msgspec.Struct, frozen=True, gc=False):
    metric: str
    points: list[Any]
    type: int = 0
    tags: list[str] | None = None
    resources: list[_Resource] | None = None
    source_type_name: str | None = None


class _Body(msgspec.Struct, frozen=True, gc=False):
    series: list[msgspec.Raw]


_BODY = msgspec.json.Decoder(_Body)
_SERIES = msgspec.json.Decoder(_Series)


def read(body: bytes) -> Iterator[Point | Refused]:
    """Counts and rates keep their values, those of an interval each: `sum_over_time` adds counts up.

    A series that cannot be read is one refused point. Raises `BodyMalformed`, `BodyTooLarge`.
    """
    json_bounds.check(body)
    try:
        whole = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyMalformed(f"the body is no series: {error}") from error
    indices = itertools.count()
    for raw in whole.series:
        try:
            series = _SERIES.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield Refused(next(indices), verdict.MALFORMED)
            continue
        yield from _series(series, indices)


def _series(series: _Series, indices: Iterator[int]) -> Iterator[Point | Refused]:
    if series.type not in _TYPES or not series.points:
        yield Refused(next(indices), verdict.MALFORMED if series.points else verdict.NO_SAMPLES)
        return
    labels = _labels(series)
    for point in series.points:
        index = next(indices)
        sample = _sample(point, labels)
        yield Refused(index, sample) if isinstance(sample, str) else Point(index, (sample,))


def _labels(series: _Series) -> tuple[tuple[str, str], ...]:
    pairs = [(resource.type, resource.name) for resource in series.resources or ()]
    if series.source_type_name:
        pairs.append(("source_type_name", series.source_type_name))
    labels = joined(
        (label_name(key), value) for key, value in (*pairs, *tags(series.tags or ())) if key and value
    )
    return ((NAME, metric_name(series.metric)), *labels.items())


def _sample(point: Any, labels: tuple[tuple[str, str], ...]) -> Sample | str:
    if not isinstance(point, Mapping):
        return verdict.MALFORMED
    value, time_s = point.get("value"), point.get("timestamp")
    if not _is_number(value) or abs(value) > _VALUE_MAX:
        return verdict.INVALID_VALUE
    if time_s is None:
        return Sample(labels, None, float(value))
    if not _is_number(time_s) or abs(time_s) > _TIMESTAMP_S_MAX:
        return verdict.INVALID_TIMESTAMP
    return Sample(labels, int(time_s * _MS_PER_S), float(value))


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
