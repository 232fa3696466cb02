"""Points as the slow protocols hand them over, one for each point of the request.

Not frozen, though nobody changes them: there is one a sample, and to make a frozen one takes three times as
long.
"""

from collections.abc import Sequence
from dataclasses import dataclass

NAME = "__name__"


@dataclass(slots=True)
class Sample:
    """One value of one series; labels in any order with `__name__` among them, no timestamp means now."""

    labels: tuple[tuple[str, str], ...]
    timestamp_ms: int | None
    value: float


@dataclass(slots=True)
class Point:
    """What the sender calls one point: a histogram is several series, accepted or refused as one."""

    index: int
    series: Sequence[Sample]


@dataclass(slots=True)
class Refused:
    """A point that its parser could not read, by a reason of `verdict`."""

    index: int
    reason: str
