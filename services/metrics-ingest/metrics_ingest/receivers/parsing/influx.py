"""Influx line protocol as points: each numeric field of a line is one, by the number of its line."""

import re
from collections.abc import Iterator

from metrics_ingest.domain import verdict
from metrics_ingest.domain.points import NAME, Point, Refused, Sample
from metrics_ingest.receivers.parsing import lines
from metrics_ingest.receivers.parsing.lines import BLANKS, LINE_BYTES_MAX, finite, integer
from metrics_ingest.receivers.parsing.naming import label_name, metric_name

# Nanoseconds a unit, as versions 1 and 2 name them.
PRECISIONS = {
    "ns": 1, "n": 1, "us": 10**3, "u": 10**3, "\N{MICRO SIGN}": 10**3, "ms": 10**6, "s": 10**9,
    "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_NS_PER_MS = 10**6

_MEASUREMENT = re.compile(r"(?:[^,\s\\]++|\\.)++")
_TAG = re.compile(r",((?:[^,=\s\\]++|\\.)++)=((?:[^,=\s\\]++|\\.)*+)")
_FIELD = re.compile(r'((?:[^,=\s\\]++|\\.)++)=("(?:[^"\\]++|\\.)*+"|[^,\s"]++)(,?)', re.DOTALL)
_TIME = re.compile(r"[ \t]+(\S+)[ \t]*")
_BLANKS = re.compile(r"[ \t]+")
_ESCAPED = re.compile(r"\\([,= \\])")
# Up to the fields: a quote before them is like any other character.
_HEAD = re.compile(rb"(?:[^ \t\n\\]++|\\.)*+[ \t]")
_COMMENT = ord("#")
_OPEN_STRING = b'="'
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)

_TRUE = frozenset(("t", "T", "true", "True", "TRUE"))
_FALSE = frozenset(("f", "F", "false", "False", "FALSE"))
_I64 = (-(2**63), 2**63 - 1)
_U64 = (0, 2**64 - 1)


def read(body: bytes, unit_ns: int, database: str = "") -> Iterator[Point | Refused]:
    """`database` becomes the label `db` of lines without such a tag.

    A field that cannot be a sample is refused and the others of its line go on; so it is with lines.
    """
    for number, raw in _lines(body):
        if raw is None:
            yield Refused(number, verdict.MALFORMED)
            continue
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            yield Refused(number, verdict.INVALID_UTF8)
            continue
        yield from _line(number, line, unit_ns, database)


def _lines(body: bytes) -> Iterator[tuple[int, bytes | None]]:
    """The like of `lines.lines`, but strings go over several, and comments are left out."""
    lines.check(body)
    number, pos = 1, 0
    while pos < len(body):
        end = body.find(b"\n", pos)
        end = len(body) if end < 0 else end
        comment = body[pos : pos + 1] == b"#"
        if not comment and body.find(_OPEN_STRING, pos, end) >= 0:
            end = _end_of_strings(body, pos, end)
        if end - pos > LINE_BYTES_MAX:
            yield number, None
        elif not comment and (line := body[pos:end].strip(BLANKS)) and line[0] != _COMMENT:
            yield number, line
        number += 1 + body.count(b"\n", pos, end)
        pos = end + 1


def _end_of_strings(body: bytes, pos: int, end: int) -> int:
    """Where the line ends, if line ends within its strings do not count; a string without an end has none."""
    head = _HEAD.match(body, pos, end)
    at = end if head is None else head.end()
    while (begin := body.find(_OPEN_STRING, at, end)) >= 0:
        string = _STRING.match(body, begin + 1, pos + LINE_BYTES_MAX)
        if string is None:
            return end
        at = string.end()
        if at > end:
            found = body.find(b"\n", at)
            end = len(body) if found < 0 else found
    return end


def _line(number: int, line: str, unit_ns: int, database: str) -> Iterator[Point | Refused]:
    head = _head(line)
    if head is None:
        yield Refused(number, verdict.MALFORMED)
        return
    measurement, tags, pos = head
    fields, pos = _fields(line, pos)
    time = _time(line, pos)
    if not fields or time is None:
        yield Refused(number, verdict.MALFORMED)
        return
    if database and all(name != "db" for name, _ in tags):
        tags.append(("db", database))
    labels = tuple(tags)
    ticks = integer(time) if time else None
    for key, text in fields:
        value = _value(text)
        if time and ticks is None:
            yield Refused(number, verdict.INVALID_TIMESTAMP)
        elif value is None:
            yield Refused(number, verdict.INVALID_VALUE)
        else:
            name = metric_name(f"{measurement}_{_unescape(key)}")
            timestamp_ms = None if ticks is None else ticks * unit_ns // _NS_PER_MS
            yield Point(number, (Sample(((NAME, name), *labels), timestamp_ms, value),))


def _head(line: str) -> tuple[str, list[tuple[str, str]], int] | None:
    """Measurement, tags as labels, and where the fields begin."""
    found = _MEASUREMENT.match(line)
    if found is None:
        return None
    measurement = _unescape(found.group())
    pos = found.end()
    tags = []
    while tag := _TAG.match(line, pos):
        key, value = tag.groups()
        tags.append((label_name(_unescape(key)), _unescape(value)))
        pos = tag.end()
    blanks = _BLANKS.match(line, pos)
    return None if blanks is None else (measurement, tags, blanks.end())


def _fields(line: str, pos: int) -> tuple[list[tuple[str, str]], int]:
    """Key and value as they stand; none where they are not well-formed to their end."""
    fields = []
    while field := _FIELD.match(line, pos):
        key, value, comma = field.groups()
        fields.append((key, value))
        pos = field.end()
        if not comma:
            return fields, pos
    return [], pos


def _time(line: str, pos: int) -> str | None:
    """Empty where there is none, None for anything else but one word."""
    if pos == len(line):
        return ""
    found = _TIME.fullmatch(line, pos)
    return None if found is None else found.group(1)


def _value(text: str) -> float | None:
    """Numbers and booleans; None for strings and what is none of these."""
    suffix = text[-1]
    if suffix in "iu":
        number = integer(text[:-1])
        low, high = _I64 if suffix == "i" else _U64
        return float(number) if number is not None and low <= number <= high else None
    if text in _TRUE:
        return 1.0
    return 0.0 if text in _FALSE else finite(text)


def _unescape(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text
