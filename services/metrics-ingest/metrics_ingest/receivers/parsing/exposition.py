"""Prometheus' text format and OpenMetrics text as points: each sample line is one, by its number."""

import re
from collections.abc import Iterator

from metrics_ingest.domain import verdict
from metrics_ingest.domain.points import NAME, Point, Refused, Sample
from metrics_ingest.receivers.parsing.lines import finite, integer, lines

OPENMETRICS = "application/openmetrics-text"
_EOF = "# EOF"
_MS_PER_S = 1000
_TIMESTAMP_S_MAX = 2**53

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*+")
_OPEN = re.compile(r"[ \t]*+\{[ \t]*+")
_CLOSE = re.compile(r"[ \t]*+\}")
# A label, or a quoted metric name, which has no value.
_LABEL = re.compile(
    r"""[ \t]*+(?:([a-zA-Z_][a-zA-Z0-9_]*+)|"((?:[^"\\]++|\\.)*+)")"""
    r"""[ \t]*+(?:(=)[ \t]*+"((?:[^"\\]++|\\.)*+)")?+[ \t]*+(,|(?=\}))"""
)
_ESCAPED = re.compile(r'\\([\\"n])')
_VALUES = {"nan": float("nan"), "inf": float("inf"), "infinity": float("inf")}


def is_openmetrics(media_type: str, body: bytes) -> bool:
    """By its type, or by the end that only OpenMetrics has: its timestamps are seconds, not ms."""
    return media_type == OPENMETRICS or body[-64:].rstrip().endswith(_EOF.encode())


def read(body: bytes, *, openmetrics: bool) -> Iterator[Point | Refused]:
    """Comments and exemplars are passed over; lines after the end of OpenMetrics are refused."""
    ended = False
    for number, raw in lines(body):
        if raw is None or (ended and not raw.startswith(b"#")):
            yield Refused(number, verdict.MALFORMED)
        elif raw.startswith(b"#"):
            ended = ended or (openmetrics and raw == _EOF.encode())
        else:
            sample = _sample(raw, openmetrics=openmetrics)
            yield Refused(number, sample) if isinstance(sample, str) else Point(number, (sample,))


def _sample(raw: bytes, *, openmetrics: bool) -> Sample | str:
    try:
        line = raw.decode()
    except UnicodeDecodeError:
        return verdict.INVALID_UTF8
    found = _series(line)
    if isinstance(found, str):
        return found
    labels, pos = found
    words = line[pos:].partition("#")[0].split()
    if not 1 <= len(words) <= 2 or not (line[pos - 1] == "}" or line[pos] in " \t"):  # noqa: PLR2004
        return verdict.MALFORMED
    value = _value(words[0])
    if value is None:
        return verdict.INVALID_VALUE
    if len(words) == 1:
        return Sample(labels, None, value)
    timestamp_ms = _seconds(words[1]) if openmetrics else integer(words[1])
    return verdict.INVALID_TIMESTAMP if timestamp_ms is None else Sample(labels, timestamp_ms, value)


def _series(line: str) -> tuple[tuple[tuple[str, str], ...], int] | str:
    """Labels with the name among them, and where they end."""
    name = _METRIC.match(line)
    labels = [(NAME, name.group())] if name else []
    pos = name.end() if name else 0
    begin = _OPEN.match(line, pos)
    if begin is None:
        return (tuple(labels), pos) if labels else verdict.INVALID_NAME
    pos = begin.end()
    while label := _LABEL.match(line, pos):
        plain, quoted, equals, value = label.group(1, 2, 3, 4)
        if equals:
            labels.append((plain or _unescape(quoted), _unescape(value)))
        elif plain:
            return verdict.MALFORMED
        else:
            labels.append((NAME, _unescape(quoted)))
        pos = label.end()
        if not label.group(5):
            break
    end = _CLOSE.match(line, pos)
    return verdict.MALFORMED if end is None else (tuple(labels), end.end())


def _value(text: str) -> float | None:
    number = finite(text)
    if number is not None:
        return number
    named = _VALUES.get(text.lstrip("+-").lower()) if len(text.lstrip("+-")) >= len(text) - 1 else None
    return None if named is None else -named if text.startswith("-") else named


def _seconds(text: str) -> int | None:
    seconds = finite(text)
    return None if seconds is None or abs(seconds) > _TIMESTAMP_S_MAX else round(seconds * _MS_PER_S)


def _unescape(text: str) -> str:
    return _ESCAPED.sub(_unescaped, text) if "\\" in text else text


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found.group(1) == "n" else found.group(1)
