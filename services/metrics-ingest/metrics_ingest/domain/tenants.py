"""A tenant as the engine knows it: who it is, and how much of everything it may send."""

from dataclasses import dataclass
from typing import Final

NEW_SERIES_PER_H: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """The defaults are those of a new tenant; the lengths are of UTF-8 bytes."""

    id: str
    name: str
    points_per_s: float = 500_000.0
    active_series_max: int = 100_000
    new_series_per_h: int = NEW_SERIES_PER_H
    late_window_s: int = 24 * 3600
    labels_max: int = 30
    name_bytes_max: int = 200
    value_bytes_max: int = 2048
    body_bytes_max: int = 32 * 2**20
    unpacked_bytes_max: int = 64 * 2**20
