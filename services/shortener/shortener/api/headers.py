"""The request headers that the API gives a meaning: Idempotency-Key, If-Match, If-None-Match."""

import re
from typing import Annotated, Final

from fastapi import Depends, Header, Request

from shortener.problems import HeaderInvalid, IdempotencyKeyInvalid

KEY_LENGTH_MAX: Final = 255

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")
_ENTITY_TAGS: Final = re.compile(r'\s*(?:W/)?"[\x21\x23-\x7e]*"\s*(?:,\s*(?:W/)?"[\x21\x23-\x7e]*"\s*)*\Z')
_ENTITY_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
_VERSION: Final = re.compile(r"[1-9][0-9]{0,9}\Z", re.ASCII)


async def _idempotency_key(
    request: Request,
    _documented: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Makes the request safe to repeat: one effect and one answer a key, for 24 hours.",
            json_schema_extra={"minLength": 1, "maxLength": KEY_LENGTH_MAX, "pattern": "^[!-~]+$"},
            examples=["4c1d3b52-91c9-4a0e-8a3f-6a6b1c8f1f57"],
        ),
    ] = None,
) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or _KEY.match(keys[0]) is None:
        raise IdempotencyKeyInvalid(f"Send one key of 1 to {KEY_LENGTH_MAX} visible ASCII characters.")
    return keys[0]


async def _if_match(
    request: Request,
    _documented: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description="The ETag that the change was made from; 412 when the link has changed since.",
            json_schema_extra={"pattern": r'^(\*|"[0-9]{1,9}")$'},
            examples=['"1"'],
        ),
    ] = None,
) -> frozenset[int] | None:
    value = request.headers.get("if-match")
    if value is None or value.strip() == "*":
        return None
    if _ENTITY_TAGS.match(value) is None:
        raise HeaderInvalid('If-Match is `*` or a list of entity tags such as `"3"`.')
    # Strong comparison (RFC 9110): a weak tag never matches, nor one that is no version.
    tags = [tag for weak, tag in _ENTITY_TAG.findall(value) if not weak]
    return frozenset(int(tag) for tag in tags if _VERSION.match(tag))


def is_unchanged(request: Request, etag: str) -> bool:
    """Whether If-None-Match names this entity tag: answer 304."""
    value = request.headers.get("if-none-match")
    if value is None:
        return False
    return value.strip() == "*" or any(f'"{tag}"' == etag for _, tag in _ENTITY_TAG.findall(value))


IdempotencyKey = Annotated[str | None, Depends(_idempotency_key)]
IfMatch = Annotated[frozenset[int] | None, Depends(_if_match)]
