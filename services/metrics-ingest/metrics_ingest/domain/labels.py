"""Labels: what a series may be called, and the one name it is known by, whatever order its labels came in."""

import hashlib
from typing import NamedTuple

from metrics_ingest.domain import verdict, wire
from metrics_ingest.domain.bodies import BodyMalformed
from metrics_ingest.domain.tenants import Tenant

METRIC_NAME = b"__name__"
# Stamped by the writer and forced on every read: nobody else may set it.
TENANT_LABEL = b"signalbox_tenant"
HASH_BYTES = 16
# Never part of UTF-8: the joined text has one reading.
_SEPARATOR = b"\xff"
_LABEL_FIELDS = frozenset((1, 2))
_USUAL_BYTES_MIN = 4


class Identity(NamedTuple):
    """`hash` is of the labels in order of their names, those without a value left out, as the store does.

    `ordered`: the label fields in that order, where the order they came in would count. The store puts labels
    in order itself, but takes some that differ in case (`job`, `Job`) for equal: two orders, two series.
    """

    hash: bytes
    name: bytes
    ordered: bytes | None = None


def judge(form: bytes, tenant: Tenant) -> Identity | str:
    """Who the series of these label fields is, or the reason why nobody."""
    return judge_pairs(read(form), tenant)


def judge_pairs(pairs: list[tuple[bytes, bytes]], tenant: Tenant) -> Identity | str:
    found = dict(pairs)
    if len(found) != len(pairs):
        return verdict.DUPLICATE_LABEL
    name = found.get(METRIC_NAME)
    if not name:
        return verdict.MISSING_NAME
    reason = _reason(pairs, len(name), tenant)
    if reason is not None:
        return reason
    in_order = sorted(pairs)
    flat = [text for pair in in_order if pair[1] for text in pair]
    digest = hashlib.blake2b(_SEPARATOR.join(flat), digest_size=HASH_BYTES).digest()
    counts = in_order != pairs and len({key.lower() for key in found}) < len(found)
    return Identity(digest, name, wire.put_labels(in_order) if counts else None)


def _reason(  # noqa: PLR0911 a reason each
    pairs: list[tuple[bytes, bytes]], name_bytes: int, tenant: Tenant
) -> str | None:
    if len(pairs) > tenant.labels_max + 1:
        return verdict.TOO_MANY_LABELS
    if name_bytes > tenant.name_bytes_max:
        return verdict.NAME_TOO_LONG
    for key, value in pairs:
        if not key:
            return verdict.EMPTY_LABEL_NAME
        if key == TENANT_LABEL:
            return verdict.RESERVED_LABEL
        if len(key) > tenant.name_bytes_max:
            return verdict.LABEL_NAME_TOO_LONG
        if len(value) > tenant.value_bytes_max and key != METRIC_NAME:
            return verdict.LABEL_VALUE_TOO_LONG
        if not (key.isascii() and value.isascii()) and not (_is_utf8(key) and _is_utf8(value)):
            return verdict.INVALID_UTF8
    return None


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def read(form: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values of the label fields; raises `BodyMalformed`, or `IndexError` at their end."""
    pairs = []
    pos, end = 0, len(form)
    while pos < end:
        # The caller has walked the fields: here stands a label's tag.
        size = form[pos + 1]
        stop = pos + 2 + size
        # The usual one: name, then value, all lengths of one byte.
        if (
            _USUAL_BYTES_MIN <= size < wire.GOES_ON
            and form[pos + 2] == wire.LABEL_NAME
            and (value_at := pos + 4 + form[pos + 3]) < stop - 1
            and form[value_at] == wire.LABEL_VALUE
            and form[value_at + 1] == stop - value_at - 2
        ):
            pairs.append((form[pos + 4 : value_at], form[value_at + 2 : stop]))
            pos = stop
            continue
        size, pos = wire.varint(form, pos + 1)
        pairs.append(_read_label(form, pos, pos + size))
        pos += size
    if pos != end:
        raise BodyMalformed("a label is longer than its series")
    return pairs


def _read_label(form: bytes, pos: int, stop: int) -> tuple[bytes, bytes]:
    """One Label message. A name or value given twice is malformed: readers differ in which one counts."""
    name = value = None
    while pos < stop:
        tag = form[pos]
        if tag == wire.LABEL_NAME and name is None:
            size, pos = wire.varint(form, pos + 1)
            name = form[pos : pos + size]
            pos += size
        elif tag == wire.LABEL_VALUE and value is None:
            size, pos = wire.varint(form, pos + 1)
            value = form[pos : pos + size]
            pos += size
        else:
            pos = wire.field_end(form, pos, _LABEL_FIELDS)
    if pos != stop:
        raise BodyMalformed("a label is longer than it says")
    return name or b"", value or b""
