"""Positions: where in the log a batch ends, as `min_position` takes it from the answer to a write."""

import re
from collections.abc import Mapping
from typing import Final

# Partitions that the topic may ever have.
PARTS_MAX: Final = 64
_PART = re.compile(r"p(0|[1-9]\d{0,4}):(0|[1-9]\d{0,18})", re.ASCII)
_OFFSET_MAX: Final = 2**63 - 1


class PositionInvalid(ValueError):  # noqa: N818 as HTTP would say it
    """It was not given out by this service."""


def parse(text: str) -> dict[int, int]:
    """The offset of the last record by partition. Raises `PositionInvalid`."""
    parts = text.split(",")
    if len(parts) > PARTS_MAX:
        raise PositionInvalid("that is no position that was given out here")
    found: dict[int, int] = {}
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None or int(match[1]) >= PARTS_MAX or int(match[2]) >= _OFFSET_MAX:
            raise PositionInvalid("that is no position that was given out here")
        found[int(match[1])] = max(int(match[2]), found.get(int(match[1]), 0))
    return found


def is_reached(wanted: Mapping[int, int], committed: Mapping[int, int]) -> bool:
    """`committed` are the next offsets that the writer will read: what is before them is stored."""
    return all(committed.get(partition, 0) > offset for partition, offset in wanted.items())
