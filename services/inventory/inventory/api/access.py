"""Who may call: orders, with the key that both were given; and the key of each receipt."""

import hmac
import re
from typing import Annotated, Final

from chassis import auth
from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from inventory.problems import KeyInvalid, KeyMissing

KEY_LENGTH_MAX: Final = 255
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")


class _CallerKey(HTTPBearer):
    """Also what the OpenAPI document says of it; one dependency costs less than two."""

    async def __call__(self, request: HTTPConnection) -> None:
        digest = auth.hash_key(auth.bearer_token(request.headers))
        expected: bytes | None = request.app.state.key_sha256
        if expected is None or not hmac.compare_digest(digest, expected):
            raise auth.key_refused()


async def _idempotency_key(
    request: Request,
    _documented: Annotated[
        str | None,
        Header(alias="Idempotency-Key", description="One effect and one answer a key, for 24 hours."),
    ] = None,
) -> str:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        raise KeyMissing
    if len(keys) > 1 or _KEY.match(keys[0]) is None:
        raise KeyInvalid(f"Send one key of 1 to {KEY_LENGTH_MAX} visible ASCII characters.")
    return keys[0]


Caller = Security(
    _CallerKey(description="The key that orders and inventory share.", scheme_name="ServiceKey")
)
IdempotencyKey = Annotated[str, Depends(_idempotency_key)]
