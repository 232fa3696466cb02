"""The request headers that the API gives a meaning: Idempotency-Key, Content-Type."""

import re
from typing import Annotated, Final

from chassis.problems import ValidationFailed
from fastapi import Depends, Header, Request

from orders.problems import IdempotencyKeyInvalid, IdempotencyKeyMissing, MediaTypeUnsupported

KEY_LENGTH_MAX: Final = 255

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")
_JSON: Final = re.compile(r"application/([a-z0-9.!#$&^_-]+\+)?json\s*(;.*)?\Z", re.IGNORECASE)


async def _idempotency_key(
    request: Request,
    _documented: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Required: one effect and one answer a key, for 24 hours.",
            json_schema_extra={"minLength": 1, "maxLength": KEY_LENGTH_MAX, "pattern": "^[!-~]+$"},
            examples=["4c1d3b52-91c9-4a0e-8a3f-6a6b1c8f1f57"],
        ),
    ] = None,
) -> str:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        raise IdempotencyKeyMissing("Send an Idempotency-Key, the same one with every repeat.")
    if len(keys) > 1 or _KEY.match(keys[0]) is None:
        raise IdempotencyKeyInvalid(f"Send one key of 1 to {KEY_LENGTH_MAX} visible ASCII characters.")
    return keys[0]


async def _json_body(request: Request) -> None:
    """Raises MediaTypeUnsupported for a body that says it is something else, or nothing."""
    said = request.headers.get("content-type")
    if said is not None and _JSON.match(said) is not None:
        return
    if said is None and not _has_body(request):
        raise ValidationFailed("A body is needed.", errors=[{"pointer": "/body", "detail": "Field required"}])
    raise MediaTypeUnsupported("Send the body as application/json.")


def _has_body(request: Request) -> bool:
    length = request.headers.get("content-length")
    return "transfer-encoding" in request.headers if length is None else length != "0"


IdempotencyKey = Annotated[str, Depends(_idempotency_key)]
JsonBody = Depends(_json_body)
