"""The store's answers as Prometheus would give them, without the label that tells tenants apart.

Only labels are decoded: points pass through as the bytes they came as.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from metrics_ingest.domain.labels import TENANT_LABEL

HIDDEN: Final = TENANT_LABEL.decode()
SERIES_RESULTS: Final = frozenset(("vector", "matrix"))
TRUNCATED: Final = "results truncated due to limit"
_ERROR_CHARS_MAX: Final = 500
_HIDDEN_MATCHER = re.compile(r',?\s*\\*"?signalbox_tenant\\*"?\s*(?:=~|!~|!=|=)\s*\\*"[^"\\]*\\*"')


class ReplyUnreadable(ValueError):  # noqa: N818 a state of the store
    """Not the JSON that the store is known to answer."""


class _Series(Struct):
    metric: dict[str, str]
    value: Raw | UnsetType = UNSET
    values: Raw | UnsetType = UNSET


class _Result(Struct, rename="camel"):
    result_type: str
    result: Raw


class _ResultReply(Struct):
    data: _Result


class _TextsReply(Struct):
    data: list[str] | None = None


class _SeriesReply(Struct):
    data: list[dict[str, str]] | None = None


class _Error(Struct):
    error: str = ""


_results = msgspec.json.Decoder(_ResultReply)
_vectors = msgspec.json.Decoder(list[_Series])
_texts = msgspec.json.Decoder(_TextsReply)
_sets = msgspec.json.Decoder(_SeriesReply)
_errors = msgspec.json.Decoder(_Error)
_encoder = msgspec.json.Encoder()


def success(data: Any, warnings: Sequence[str] = ()) -> bytes:
    body: dict[str, Any] = {"status": "success", "data": data}
    if warnings:
        body["warnings"] = warnings
    return _encoder.encode(body)


def failure(kind: str, error: str) -> bytes:
    """The envelope of an error; `kind` is one of Prometheus' words."""
    return _encoder.encode({"status": "error", "errorType": kind, "error": error})


def result(body: bytes) -> bytes:
    """Of an expression."""
    try:
        found = _results.decode(body).data
        if found.result_type not in SERIES_RESULTS:
            return success({"resultType": found.result_type, "result": found.result})
        rows = _vectors.decode(found.result)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ReplyUnreadable(str(error)) from error
    for row in rows:
        row.metric.pop(HIDDEN, None)
    return success({"resultType": found.result_type, "result": rows})


def label_sets(body: bytes, limit: int) -> bytes:
    """Of `series`."""
    found = _decoded(_sets, body)
    for labels in found:
        labels.pop(HIDDEN, None)
    return _limited(found, limit)


def label_names(body: bytes, limit: int) -> bytes:
    return _limited([name for name in _decoded(_texts, body) if name != HIDDEN], limit)


def label_values(body: bytes, limit: int) -> bytes:
    return _limited(_decoded(_texts, body), limit)


def error_text(body: bytes) -> str:
    """What the store says is wrong, in part, and without the filter that was added to the question."""
    try:
        text = _errors.decode(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = ""
    text = _HIDDEN_MATCHER.sub("", text)
    if HIDDEN in text or not text:
        return "the expression cannot be executed"
    return text[:_ERROR_CHARS_MAX]


def _decoded(decoder: "msgspec.json.Decoder[Any]", body: bytes) -> list[Any]:
    try:
        return decoder.decode(body).data or []
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ReplyUnreadable(str(error)) from error


def _limited(found: list[Any], limit: int) -> bytes:
    if limit and len(found) > limit:
        return success(found[:limit], (TRUNCATED,))
    return success(found)
