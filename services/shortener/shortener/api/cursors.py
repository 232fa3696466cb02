"""Opaque cursors: a place in a list, signed and bound to the list it came from."""

import base64
import binascii
import hashlib
import hmac
from typing import Final
from uuid import UUID

from shortener.problems import CursorInvalid

_ID_BYTES: Final = 16
_MAC_BYTES: Final = 8
LENGTH_MAX: Final = 64


class Cursors:
    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"cursor\x00" + key).digest()

    def encode(self, place: UUID | None, *bound_to: str | None) -> str | None:
        """`bound_to` are tenant and filters: a cursor is of no use for another list."""
        if place is None:
            return None
        return base64.urlsafe_b64encode(place.bytes + self._mac(place, bound_to)).decode()

    def decode(self, cursor: str | None, *bound_to: str | None) -> UUID | None:
        """Raises CursorInvalid for anything that `encode` did not make for this list."""
        if cursor is None:
            return None
        try:
            raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise CursorInvalid from None
        if len(raw) != _ID_BYTES + _MAC_BYTES:
            raise CursorInvalid
        place = UUID(bytes=raw[:_ID_BYTES])
        if not hmac.compare_digest(raw[_ID_BYTES:], self._mac(place, bound_to)):
            raise CursorInvalid
        return place

    def _mac(self, place: UUID, bound_to: tuple[str | None, ...]) -> bytes:
        mac = hashlib.blake2b(place.bytes, key=self._key, digest_size=_MAC_BYTES)
        for part in bound_to:
            mac.update(b"\x00" if part is None else b"\x01%d:%s" % (len(part), part.encode()))
        return mac.digest()
