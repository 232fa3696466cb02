"""How long the long tests last: long enough in CI to fail for a mistake, longer with TEST_EFFORT=full."""

import os
from typing import Final, TypeVar

T = TypeVar("T")

FULL: Final = os.environ.get("TEST_EFFORT") == "full"


def effort(usual: T, *, full: T) -> T:
    """`usual`, or `full` where the whole is asked for: numbers of kills, of records, of seconds."""
    return full if FULL else usual
