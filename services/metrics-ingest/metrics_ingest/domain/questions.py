"""Questions in Prometheus' words: parameters judged before the store sees any of them.

BadParameter, the 400 of Prometheus
+-- of a time, a duration, a number       +-- of a selector or expression, by its length
+-- of a range: reversed, or of too many points
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from metrics_ingest.domain.labels import TENANT_LABEL

# What Prometheus' own clients send for "from the beginning" and "to the end".
_OPEN_ENDS: Final = {
    "-292273086-05-16T16:47:06Z": -math.inf,
    "-292273086-05-16T16:47:06.000000000Z": -math.inf,
    "+292277025-08-18T07:12:54.999999999Z": math.inf,
    "292277025-08-18T07:12:54.999999999Z": math.inf,
}
# The store's clock ends in the year 2262, and begins in 1970.
TIME_MS_MAX: Final = 9_000_000_000_000
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_UNITS_MS: Final = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1000,
    "ms": 1,
}
_DURATION = re.compile("".join(rf"(?:(\d{{1,12}}){unit})?" for unit in _UNITS_MS), re.ASCII)
DURATION_MS_MAX: Final = 100 * 365 * 86_400_000
# Expressions without any series.
_SCALAR = re.compile(
    r"(?:[\s\d.()+*/%^-]|(?<=[\d.])e(?=[+-]?\d)|\b(?:inf|nan)\b|\b(?:time|pi)\(\))+",
    re.ASCII | re.IGNORECASE,
)
_LIMIT = re.compile(r"\d{1,10}", re.ASCII)

Parameters = Mapping[str, Sequence[str]]


class BadParameter(ValueError):  # noqa: N818 as Prometheus says it
    """A parameter is missing or makes no sense; the text is for the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one question may ask for. The points are Prometheus' own limit, the bytes below the store's."""

    query_bytes_max: int = 12_288
    matches_max: int = 32
    points_max: int = 11_000
    range_s_max: int = 400 * 86_400
    series_max: int = 10_000
    timeout_s: float = 4.0
    # Of the above, to wait for a position.
    position_wait_s: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    query: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    query: str
    start_ms: int
    end_ms: int
    step_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Of series, labels and label values; `limit` 0: as many as there may be."""

    matches: tuple[str, ...]
    start_ms: int
    end_ms: int
    limit: int


def instant(parameters: Parameters, limits: Limits, now_ms: int) -> Instant:
    """A moment is always named: without one the store would choose an earlier one."""
    text = _first(parameters, "time")
    at_ms = now_ms if text is None else moment_ms("time", text)
    return Instant(query=_query(parameters, limits), at_ms=at_ms)


def range_of(parameters: Parameters, limits: Limits) -> Range:
    query = _query(parameters, limits)
    start_ms = moment_ms("start", _needed(parameters, "start"))
    end_ms = moment_ms("end", _needed(parameters, "end"))
    step = _needed(parameters, "step")
    if end_ms < start_ms:
        raise BadParameter('invalid parameter "end": end timestamp must not be before start time')
    step_ms = _duration_ms("step", step)
    if step_ms <= 0:
        raise BadParameter(
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer"
        )
    if end_ms - start_ms > limits.range_s_max * 1000:
        raise BadParameter(f"exceeded the longest range of {limits.range_s_max} seconds")
    if (end_ms - start_ms) // step_ms > limits.points_max:
        raise BadParameter(
            f"exceeded maximum resolution of {limits.points_max:,} points per timeseries. "
            "Try decreasing the query resolution (?step=XX)"
        )
    return Range(query=query, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)


def matching(parameters: Parameters, limits: Limits, *, latest_ms: int, needed: bool) -> Matching:
    """Without times: everything there is, as in Prometheus (the store would take the last minutes)."""
    matches = tuple(parameters.get("match[]", ()))
    if needed and not matches:
        raise BadParameter("no match[] parameter provided")
    if len(matches) > limits.matches_max:
        raise BadParameter(f"more than {limits.matches_max} match[] parameters")
    if not all(text.strip() for text in matches):
        raise BadParameter('invalid parameter "match[]": an empty selector')
    if sum(len(text.encode()) for text in matches) > limits.query_bytes_max:
        raise BadParameter(f"the match[] parameters are longer than {limits.query_bytes_max} bytes")
    start, end = _first(parameters, "start"), _first(parameters, "end")
    start_ms = 0 if start is None else moment_ms("start", start)
    end_ms = latest_ms if end is None else moment_ms("end", end)
    if end_ms < start_ms:
        raise BadParameter('invalid parameter "end": end timestamp must not be before start timestamp')
    return Matching(matches=matches, start_ms=start_ms, end_ms=end_ms, limit=_limit(parameters))


def timeout_s(parameters: Parameters, limits: Limits) -> float:
    """The caller's, if it is below ours."""
    text = _first(parameters, "timeout")
    if text is None:
        return limits.timeout_s
    asked_ms = _duration_ms("timeout", text)
    if asked_ms <= 0:
        raise BadParameter('invalid parameter "timeout": not above zero')
    return min(asked_ms / 1000, limits.timeout_s)


def label_name(name: str) -> str:
    """Any text that is not empty (UTF-8 names); dots alone would be another path on the way to the store."""
    if not name or "\x00" in name or name in {".", ".."}:
        raise BadParameter(f"invalid label name: {name!r}")
    return name


def moment_ms(parameter: str, text: str) -> int:
    """Unix seconds or RFC 3339, within what the store can tell; nothing relative."""
    open_end = _OPEN_ENDS.get(text)
    if open_end is not None:
        return 0 if open_end < 0 else TIME_MS_MAX
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return _clamped(float(text) * 1000)
    if _MOMENT.fullmatch(text):
        try:
            return _clamped(datetime.fromisoformat(text).timestamp() * 1000)
        except (ValueError, OverflowError):
            pass
    raise BadParameter(f'invalid parameter "{parameter}": cannot parse {text[:64]!r} to a valid timestamp')


def is_scalar(query: str) -> bool:
    """As far as it can be told without its grammar: arithmetic of numbers, and the time."""
    return _SCALAR.fullmatch(query) is not None


def tenant_filter(tenant_id: str) -> str:
    """The `extra_filters[]` that every question carries, alone in its kind: a second one is an alternative.

    A tenant's id holds no character that has to be escaped (migrations/0001_tenants.sql).
    """
    return f'{{{TENANT_LABEL.decode()}="{tenant_id}"}}'


# Of no series at all: no tenant has such an id.
NO_SERIES: Final = tenant_filter(".")


def seconds(time_ms: int) -> str:
    """For the store, which cuts the product with 1000, or rounds it: a fifth of a ms on top fits both."""
    return f"{time_ms // 1000}.{time_ms % 1000:03d}2"


def _clamped(time_ms: float) -> int:
    return round(min(max(time_ms, 0.0), float(TIME_MS_MAX)))


def _duration_ms(parameter: str, text: str) -> int:
    if _NUMBER.fullmatch(text):
        found = float(text) * 1000
    else:
        parts = _DURATION.fullmatch(text) if text else None
        if parts is None:
            raise BadParameter(
                f'invalid parameter "{parameter}": cannot parse {text[:64]!r} to a valid duration'
            )
        found = float(
            sum(
                int(count or 0) * unit for count, unit in zip(parts.groups(), _UNITS_MS.values(), strict=True)
            )
        )
    if not abs(found) <= DURATION_MS_MAX:
        raise BadParameter(f'invalid parameter "{parameter}": the duration is too long')
    return math.floor(found)


def _query(parameters: Parameters, limits: Limits) -> str:
    query = _needed(parameters, "query")
    if len(query.encode()) > limits.query_bytes_max:
        raise BadParameter(f'invalid parameter "query": longer than {limits.query_bytes_max} bytes')
    return query


def _limit(parameters: Parameters) -> int:
    text = _first(parameters, "limit")
    if text is None:
        return 0
    if not _LIMIT.fullmatch(text):
        raise BadParameter('invalid parameter "limit": must be a number that is not negative')
    return int(text)


def _needed(parameters: Parameters, name: str) -> str:
    text = _first(parameters, name)
    if text is None or not text.strip():
        raise BadParameter(f'invalid parameter "{name}": missing or empty')
    return text


def _first(parameters: Parameters, name: str) -> str | None:
    """An empty one counts as absent, as in Prometheus."""
    found = parameters.get(name)
    return found[0] if found and found[0] else None
