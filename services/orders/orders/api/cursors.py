"""Opaque cursors: a place in a list, bound to the list it came from."""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from orders.problems import CursorInvalid

_MAC_BYTES: Final = 8
_PLACE_BYTES_MAX: Final = 256
LENGTH_MAX: Final = 360


def encode(place: str | None, *bound_to: str | None) -> str | None:
    """`bound_to` are the list's name, its owner and its filters: a cursor is of no use for another list."""
    if place is None:
        return None
    raw = place.encode()
    return base64.urlsafe_b64encode(_digest(raw, bound_to) + raw).decode().rstrip("=")


def decode(cursor: str | None, *bound_to: str | None) -> str | None:
    """The place. Raises CursorInvalid for anything that `encode` did not make for this list."""
    if cursor is None:
        return None
    if len(cursor) > LENGTH_MAX:
        raise CursorInvalid
    try:
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True)
        digest, place = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        text = place.decode()
    except (binascii.Error, UnicodeError):
        raise CursorInvalid from None
    if not 0 < len(place) <= _PLACE_BYTES_MAX or not hmac.compare_digest(digest, _digest(place, bound_to)):
        raise CursorInvalid
    # One spelling a place: the last character carries bits that decoding ignores.
    if encode(text, *bound_to) != cursor:
        raise CursorInvalid
    return text


def _digest(place: bytes, bound_to: tuple[str | None, ...]) -> bytes:
    """A checksum and no secret: every query names its tenant, so a forged place leads nowhere new."""
    digest = hashlib.blake2b(place, digest_size=_MAC_BYTES, person=b"orders.cursor")
    for part in bound_to:
        digest.update(b"\x00" if part is None else b"\x01%d:%s" % (len(part.encode()), part.encode()))
    return digest.digest()
