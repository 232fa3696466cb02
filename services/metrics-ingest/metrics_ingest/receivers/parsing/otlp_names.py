"""OTLP names as Prometheus names: the rules of OpenTelemetry's Prometheus compatibility specification."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from metrics_ingest.receivers.parsing.naming import number_text


class Kind(Enum):
    GAUGE = "gauge"
    COUNTER = "counter"
    OTHER = "other"


_UNITS = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tebibytes", "kBy": "kilobytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes",
    "TBy": "terabytes", "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts",
    "g": "grams", "Cel": "celsius", "Hz": "hertz", "1": "", "%": "percent",
}  # fmt: skip
_PER_UNITS = {
    "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year",
}  # fmt: skip

_NAMES_KEPT = 8192
_NAME_KEPT_CHARS = 200
_BETWEEN_TOKENS = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9]+")


def metric_name(name: str, unit: str, kind: Kind) -> str:
    """With its unit and type as suffixes, unless they stand in it already; "" where nothing is left."""
    if len(name) + len(unit) > _NAME_KEPT_CHARS:
        return _metric_name.__wrapped__(name, unit, kind)
    return _metric_name(name, unit, kind)


@lru_cache(maxsize=_NAMES_KEPT)
def _metric_name(name: str, unit: str, kind: Kind) -> str:
    tokens = _tokens(name)
    if not tokens:
        return ""
    main, slash, per = unit.partition("/")
    suffix = _unit(main, _UNITS)
    if suffix and suffix not in tokens:
        tokens.append(suffix)
    per_suffix = _unit(per, _PER_UNITS) if slash else ""
    if per_suffix and f"per_{per_suffix}" not in "_".join(tokens):
        tokens.append(f"per_{per_suffix}")
    if kind is Kind.COUNTER:
        tokens = _moved_last(tokens, "total")
    elif kind is Kind.GAUGE and unit == "1":
        # Only gauges: many give the unit 1 to what they count.
        tokens = _moved_last(tokens, "ratio")
    full = "_".join(tokens)
    return f"_{full}" if full[0].isdigit() else full


def _moved_last(tokens: list[str], suffix: str) -> list[str]:
    return [*(word for word in tokens if word != suffix), suffix]


def _tokens(text: str) -> list[str]:
    return [token for token in _BETWEEN_TOKENS.split(text) if token]


def _unit(text: str, words: Mapping[str, str]) -> str:
    """Annotations in braces say what is counted, which is no unit."""
    text = text.strip()
    if "{" in text or "}" in text:
        return ""
    return "_".join(_tokens(words.get(text, text)))


def label_name(key: str) -> str:
    return _label_name(key) if len(key) <= _NAME_KEPT_CHARS else _label_name.__wrapped__(key)


@lru_cache(maxsize=_NAMES_KEPT)
def _label_name(key: str) -> str:
    name = _NOT_IN_LABEL.sub("_", key)
    return f"key_{name}" if name[:1].isdigit() else name


def labels(attributes: Iterable[KeyValue], prefix: str = "") -> dict[str, str]:
    """Keys that become the same name have their values joined by `;`, in order of the keys."""
    found: dict[str, str] = {}
    clash = False
    for attribute in attributes:
        name = label_name(prefix + attribute.key)
        clash = clash or name in found
        found[name] = value_text(attribute.value)
    return _joined(attributes, prefix) if clash else found


def _joined(attributes: Iterable[KeyValue], prefix: str) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    # A key given twice is malformed, and its last value the one that counts.
    for key, value in sorted({attribute.key: attribute.value for attribute in attributes}.items()):
        values.setdefault(label_name(prefix + key), []).append(value_text(value))
    return {name: ";".join(texts) for name, texts in values.items()}


def value_text(value: AnyValue) -> str:
    """Strings as they are, numbers and booleans as in JSON, bytes in base64, lists and maps as JSON."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    plain = _plain(value)
    if isinstance(plain, str):
        return plain
    if isinstance(plain, float):
        return number_text(plain)
    return "" if plain is None else json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    # A kind that this version does not know reads as no value.
    return None if kind is None else getattr(value, kind)
