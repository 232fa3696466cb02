"""Rollups: what a metric came to in each window of time, as series `<name>:<aggregate>_<window>`.

The store promises no winner of two values at one time. So each evaluation of a window that came to something
else is one more sample, a millisecond later, within the last second of the window: the window's last sample
is what it came to, and `last_over_time` reads it.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from metrics_ingest.domain import wire
from metrics_ingest.domain.replies import HIDDEN

AGGREGATES: Final = ("avg", "min", "max", "sum", "count")
# Of a rollup's own name something is left below the limit of names.
METRIC_BYTES_MAX: Final = 180
_METRIC = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_FIRST_STAMP_MS: Final = 1000
# The store keeps some twelve digits of what it is given.
_DIGITS: Final = 1e-9
WINDOWS_MAX: Final = 11_000

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Window:
    name: str
    seconds: int


WINDOWS: Final = (Window("5m", 300), Window("1h", 3600))


class Rows(Struct):
    """A series of a range query: times in seconds, values as text."""

    metric: dict[str, str]
    values: list[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Span:
    """Ends of closed windows, first and last, in seconds."""

    first_s: int
    last_s: int


def is_metric(name: str) -> bool:
    """A name that can be rolled up: no colon, which is a rollup's own."""
    return len(name) <= METRIC_BYTES_MAX and _METRIC.fullmatch(name) is not None


def span(window: Window, now_s: float, *, back_s: float, grace_s: float) -> Span:
    """The windows that points may have come to since, none that is still open."""
    last = int((now_s - grace_s) // window.seconds) * window.seconds
    first = int((now_s - back_s) // window.seconds) * window.seconds
    earliest = last - (WINDOWS_MAX - 1) * window.seconds
    return Span(max(min(first, last), earliest), last)


def halves(window: Window, span: Span) -> tuple[Span, ...]:
    """None of a span of one window."""
    windows = (span.last_s - span.first_s) // window.seconds + 1
    if windows < 2:  # noqa: PLR2004 two halves
        return ()
    middle_s = span.first_s + windows // 2 * window.seconds
    return Span(span.first_s, middle_s - window.seconds), Span(middle_s, span.last_s)


def fresh_expression(metric: str, window: Window) -> str:
    """All aggregates as one answer, each under its rollup's name."""
    parts = (
        f'label_set({aggregate}_over_time({{__name__="{metric}"}}[{window.name}]), '
        f'"__name__", "{name_of(metric, aggregate, window)}")'
        for aggregate in AGGREGATES
    )
    return f"union({', '.join(parts)})"


def kept_expression(metric: str, window: Window) -> str:
    """What the rollups say now."""
    return f"last_over_time({_selector(metric, window)}[{window.name}])"


def stamps_expression(metric: str, window: Window) -> str:
    """When any of a window's aggregates last said so, in seconds."""
    each = f"tlast_over_time({_selector(metric, window)}[{window.name}]) keep_metric_names"
    return f"max without (__name__) ({each})"


def _selector(metric: str, window: Window) -> str:
    names = "|".join(name_of(metric, aggregate, window) for aggregate in AGGREGATES)
    return f'{{__name__=~"{names}"}}'


def name_of(metric: str, aggregate: str, window: Window) -> str:
    return f"{metric}:{aggregate}_{window.name}"


def changes(
    fresh: Iterable[Rows], kept: Iterable[Rows], stamps: Iterable[Rows]
) -> dict[Labels, list[tuple[int, float]]]:
    """Samples (ms, value) to write by the labels of their rollup: all aggregates of windows that changed."""
    known = {labels: dict(_values(rows)) for labels, rows in _named(kept)}
    stamped = {labels: dict(_values(rows)) for labels, rows in _nameless(stamps)}
    rolled = [(labels, list(_values(rows))) for labels, rows in _named(fresh)]
    changed = {
        (_source(labels), end_s)
        for labels, values in rolled
        for end_s, value in values
        if not _same(value, known.get(labels, {}).get(end_s))
    }
    found: dict[Labels, list[tuple[int, float]]] = {}
    for labels, values in rolled:
        source = _source(labels)
        for end_s, value in values:
            at_ms = _next_stamp_ms(end_s, stamped.get(source, {}).get(end_s))
            if (source, end_s) in changed and at_ms is not None:
                found.setdefault(labels, []).append((at_ms, value))
    return found


def messages(found: Mapping[Labels, Sequence[tuple[int, float]]], bytes_max: int) -> Iterator[bytes]:
    """Remote write messages, each up to `bytes_max` and a series."""
    parts: list[bytes] = []
    size = 0
    for labels, samples in found.items():
        form = wire.put_labels((name.encode(), value.encode()) for name, value in labels)
        part = wire.put_series(form, b"".join(wire.put_sample(at_ms, value) for at_ms, value in samples))
        parts.append(part)
        size += len(part)
        if size >= bytes_max:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def _next_stamp_ms(end_s: int, last_s: float | None) -> int | None:
    """None where a window was evaluated a thousand times: it stays what it is."""
    if last_s is None:
        return end_s * 1000 - _FIRST_STAMP_MS
    following = round(last_s * 1000) + 1
    return following if following <= end_s * 1000 else None


def _same(value: float, kept: float | None) -> bool:
    return kept is not None and math.isclose(value, kept, rel_tol=_DIGITS)


def _source(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != "__name__")


def _named(rows: Iterable[Rows]) -> Iterator[tuple[Labels, Rows]]:
    for row in rows:
        yield tuple(sorted(pair for pair in row.metric.items() if pair[0] != HIDDEN)), row


def _nameless(rows: Iterable[Rows]) -> Iterator[tuple[Labels, Rows]]:
    for labels, row in _named(rows):
        yield _source(labels), row


def _values(rows: Rows) -> Iterator[tuple[int, float]]:
    for at_s, text in rows.values:
        yield round(at_s), float(text)
