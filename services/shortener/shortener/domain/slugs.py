"""Which words may be a slug: length, alphabet, one script, reserved words, look-alikes."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from shortener.domain import unicode_tables

LENGTH_MIN: Final = 3
LENGTH_MAX: Final = 64

RESERVED: Final = frozenset(
    {
        "v1",
        "docs",
        "openapi.json",
        "metrics",
        "healthz",
        "readyz",
        "admin",
        "api",
        "static",
        "robots.txt",
        "favicon.ico",
    },
)

_ASCII_SLUG: Final = re.compile(r"[0-9A-Za-z_-]+\Z")
_JOINERS: Final = frozenset("-_")
_DECIMAL_DIGIT: Final = "Nd"
_KANA_LENGTH_MARK: Final = "\u30fc"  # a letter of Hiragana and of Katakana, hence of script COMMON


class SlugError(ValueError):
    """A word that cannot be a slug; `code` says why in one word for programs."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Slug:
    """A permitted slug; `skeleton` is what it looks like.

    Only a non-ASCII slug has one: ASCII slugs never conflict by looks ("l1" and "ll" are two slugs).
    """

    text: str
    skeleton: str | None


def parse(raw: str) -> Slug:
    """Normalise to NFC and check; raises SlugError with a code of its own for each rule."""
    text = unicodedata.normalize("NFC", raw)
    if not LENGTH_MIN <= len(text) <= LENGTH_MAX:
        raise SlugError("slug_length", f"A slug has {LENGTH_MIN} to {LENGTH_MAX} characters.")
    if is_reserved(text):
        raise SlugError("slug_reserved", "This word is reserved.")
    if text.isascii():
        if _ASCII_SLUG.match(text) is None:
            raise SlugError("slug_alphabet", "A slug is made of letters, digits, '-' and '_'.")
        return Slug(text, None)
    _check_one_script(text)
    # Compatibility forms (full-width letters, ligatures) are no look-alikes to UTS 39: it expects NFKC.
    skeleton = unicode_tables.skeleton(unicodedata.normalize("NFKC", text))
    if skeleton.isascii():
        raise SlugError("slug_looks_ascii", "This slug looks like one written in ASCII letters.")
    return Slug(text, skeleton)


def is_reserved(text: str) -> bool:
    """Reserved in any case: GET /Docs must not become somebody's link."""
    return text.lower() in RESERVED


def may_exist(raw: str) -> str | None:
    """The stored form of a slug as it came in a request path, or None when no link can bear it.

    Cheap on purpose: the redirect calls it for every request, so scripts and looks are not checked.
    """
    if raw.isascii():
        if LENGTH_MIN <= len(raw) <= LENGTH_MAX and _ASCII_SLUG.match(raw) is not None:
            return raw
        return None
    text = unicodedata.normalize("NFC", raw)
    if not LENGTH_MIN <= len(text) <= LENGTH_MAX:
        return None
    return text if all(c in _JOINERS or c.isalnum() for c in text) else None


def _check_one_script(text: str) -> None:
    scripts: set[str] = set()
    for char in text:
        if char in _JOINERS or char == _KANA_LENGTH_MARK or (char.isascii() and char.isdigit()):
            continue
        category = unicodedata.category(char)
        if not category.startswith("L") and category != _DECIMAL_DIGIT:
            raise SlugError("slug_alphabet", "A slug is made of letters, digits, '-' and '_'.")
        scripts.add(unicode_tables.script(char))
    if len(scripts) > 1:
        raise SlugError("slug_scripts", "The letters and digits of a slug belong to one script.")
