"""The store's answers as Prometheus would give them, without the label that tells tenants apart.

What an expression came to may be large and is not decoded: it passes through as the bytes it came as.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from metrics_ingest.domain.labels import TENANT_LABEL

HIDDEN: Final = TENANT_LABEL.decode()
TRUNCATED: Final = "results truncated due to limit"
# Before what is wrong: the caller's own question, and the times of it.
_QUESTION = re.compile(r"error when executing query=.* (?:for|on the time range) \([^()]*\): ", re.DOTALL)
_ERROR_CHARS_MAX: Final = 500
_PIECE_BYTES: Final = 64 * 1024
_BEGINNING: Final = b'{"status":"success",'
# A quote within a text is escaped in JSON, so this is never a part of one.
_HIDDEN_KEY: Final = f'"{HIDDEN}":'.encode()
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')
_COSTS_BYTES_MAX: Final = 512
# Newer stores tell what the answer cost.
_COSTS = re.compile(rb'\]\},"stats":\{[^{}]*\}\}\s*$')
_HIDDEN_MATCHER = re.compile(r',?\s*\\*"?signalbox_tenant\\*"?\s*(?:=~|!~|!=|=)\s*\\*"[^"\\]*\\*"')


class ReplyUnreadable(ValueError):  # noqa: N818 a state of the store
    """Not the JSON that the store is known to answer."""


class _Scalar(Struct):
    value: Raw


class _Vector(Struct):
    result: list[_Scalar]


class _VectorReply(Struct):
    data: _Vector


class _TextsReply(Struct):
    data: list[str] | None = None


class _SeriesReply(Struct):
    data: list[dict[str, str]] | None = None


class _Error(Struct):
    error: str = ""


_vectors = msgspec.json.Decoder(_VectorReply)
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


def pieces(body: bytes) -> Iterator[bytes]:
    """Of the answer to an expression, cut after the labels of a series. Raises `ReplyUnreadable`."""
    if not body.startswith(_BEGINNING):
        raise ReplyUnreadable("that is no answer to an expression")
    costs = _COSTS.search(body, max(len(body) - _COSTS_BYTES_MAX, 0))
    start, end = 0, costs.start() if costs else len(body)
    while start < end:
        cut = body.find(b"}", start + _PIECE_BYTES, end) + 1 or end
        yield body[start:cut]
        start = cut
    if costs:
        yield b"]}}"


def unlabelled(piece: bytes) -> bytes:
    kept: list[bytes] = []
    start = 0
    while (at := piece.find(_HIDDEN_KEY, start)) >= 0:
        value = _TEXT.match(piece, at + len(_HIDDEN_KEY))
        if value is None:
            break
        end = value.end()
        if piece.startswith(b",", end):
            end += 1
        elif piece.endswith(b",", start, at):
            at -= 1
        kept.append(piece[start:at])
        start = end
    kept.append(piece[start:])
    return b"".join(kept)


def scalar(body: bytes, at_ms: int) -> bytes:
    """Of an expression without series, for which the store has a vector, and nothing for NaN."""
    try:
        rows = _vectors.decode(body).data.result
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ReplyUnreadable(str(error)) from error
    value = rows[0].value if rows else (at_ms / 1000, "NaN")
    return success({"resultType": "scalar", "result": value})


def label_sets(body: bytes, limit: int) -> bytes:
    """Of `series`."""
    found = _decoded(_sets, body)
    for labels in found:
        labels.pop(HIDDEN, None)
    return _limited(found, limit)


def label_names(body: bytes, limit: int) -> bytes:
    found = _decoded(_texts, body)
    if HIDDEN not in found and len(found) <= limit:
        # Every series has it: there was none, for which the store says `__name__` all the same.
        return success([])
    return _limited([name for name in found if name != HIDDEN], limit)


def label_values(body: bytes, limit: int) -> bytes:
    return _limited(_decoded(_texts, body), limit)


def error_text(body: bytes) -> str:
    """What the store says is wrong, in part, and without the filter that was added to the question."""
    try:
        text = _errors.decode(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = ""
    text = _HIDDEN_MATCHER.sub("", _QUESTION.sub("", text, count=1))
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
