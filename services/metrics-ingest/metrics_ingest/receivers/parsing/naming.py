"""Names and label sets as Prometheus has them, from those of other protocols."""

import re
import struct
from collections.abc import Iterable
from functools import lru_cache

from metrics_ingest.domain.samples import STALE_MARKER_BITS

# The value that ends a series.
STALE: float = struct.unpack("<d", struct.pack("<Q", STALE_MARKER_BITS))[0]

_NAMES_KEPT = 8192
_NAME_KEPT_CHARS = 200
_NOT_IN_METRIC = re.compile(r"[^a-zA-Z0-9_:]")
_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9_]")


def metric_name(text: str) -> str:
    """What may not stand in a classic name becomes an underscore; a leading digit gets one before it."""
    return _metric_name(text) if len(text) <= _NAME_KEPT_CHARS else _clean(_NOT_IN_METRIC, text)


def label_name(text: str) -> str:
    return _label_name(text) if len(text) <= _NAME_KEPT_CHARS else _clean(_NOT_IN_LABEL, text)


@lru_cache(maxsize=_NAMES_KEPT)
def _metric_name(text: str) -> str:
    return _clean(_NOT_IN_METRIC, text)


@lru_cache(maxsize=_NAMES_KEPT)
def _label_name(text: str) -> str:
    return _clean(_NOT_IN_LABEL, text)


def _clean(unwanted: re.Pattern[str], text: str) -> str:
    name = unwanted.sub("_", text)
    return f"_{name}" if name[:1].isdigit() else name


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Labels of protocols in which a key may be given more than once: values joined by `;`, in order."""
    labels: dict[str, str] = {}
    for name, value in pairs:
        labels[name] = f"{labels[name]};{value}" if name in labels else value
    return labels


def number_text(number: float) -> str:
    """As bounds and quantiles are written in labels: `5`, `0.25`, `+Inf`."""
    if number in {float("inf"), float("-inf")}:
        return "+Inf" if number > 0 else "-Inf"
    return repr(number).removesuffix(".0")
