"""StatsD packets, with DogStatsD's tags and several values a line, as readings to be aggregated."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from metrics_ingest.domain import verdict
from metrics_ingest.receivers.parsing.lines import finite, lines
from metrics_ingest.receivers.parsing.naming import joined, label_name, metric_name
from metrics_ingest.receivers.parsing.tags import tags

_MS_PER_S = 1000


class Kind(Enum):
    COUNTER = "c"
    GAUGE = "g"
    TIMER = "ms"
    HISTOGRAM = "h"
    SET = "s"


_KINDS = {kind.value: kind for kind in Kind} | {"d": Kind.HISTOGRAM}
# Events and service checks of DogStatsD: no metrics.
_OTHERS = ("_e{", "_sc|")


@dataclass(frozen=True, slots=True)
class Reading:
    """`values` in seconds for timers, numbers for all but sets, whose members they are.

    `weight` is the inverse of the sample rate; a gauge that is `relative` moves by its value.
    """

    kind: Kind
    name: str
    labels: tuple[tuple[str, str], ...]
    values: tuple[float, ...] | tuple[str, ...]
    weight: float = 1.0
    relative: bool = False


def read(packet: bytes) -> Iterator[Reading | str]:
    """One for each line: what it says, or why nobody knows."""
    for _, line in lines(packet):
        try:
            yield verdict.MALFORMED if line is None else _line(line.decode())
        except UnicodeDecodeError:
            yield verdict.INVALID_UTF8


def _line(text: str) -> Reading | str:
    name, colon, rest = text.partition(":")
    values, *sections = rest.split("|")
    kind = _KINDS.get(sections[0]) if sections else None
    if not name or not colon or not values or kind is None or text.startswith(_OTHERS):
        return verdict.MALFORMED
    weight = 1.0
    labels: dict[str, str] = {}
    for section in sections[1:]:
        if section.startswith("@"):
            rate = finite(section[1:])
            if rate is None or not 0 < rate <= 1:
                return verdict.MALFORMED
            weight = 1 / rate
        elif section.startswith("#"):
            labels = joined((label_name(key), value) for key, value in tags(section[1:].split(",")) if key)
        elif section.startswith("T"):
            # A value of another time: it cannot be added to those of now.
            return verdict.INVALID_TIMESTAMP
    found = _values(kind, values)
    if found is None:
        return verdict.INVALID_VALUE
    relative = kind is Kind.GAUGE and values[0] in "+-"
    return Reading(kind, metric_name(name), tuple(sorted(labels.items())), found, weight, relative)


def _values(kind: Kind, text: str) -> tuple[float, ...] | tuple[str, ...] | None:
    if kind is Kind.SET:
        return tuple(text.split(":"))
    numbers = []
    for word in text.split(":"):
        number = finite(word)
        if number is None or (kind is Kind.COUNTER and number < 0):
            return None
        numbers.append(number / _MS_PER_S if kind is Kind.TIMER else number)
    return tuple(numbers)
