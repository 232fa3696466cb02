"""Who may call: merchants with the bank's key, operators with theirs; and the key of each effect."""

import hmac
import re
from typing import Annotated, Final

from chassis import auth
from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from bank.problems import KeyInvalid, KeyRequired

KEY_LENGTH_MAX: Final = 255
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")


class _MerchantKey(HTTPBearer):
    """Also what the OpenAPI document says of it; one dependency costs less than two."""

    async def __call__(self, request: HTTPConnection) -> None:
        digest = auth.hash_key(auth.bearer_token(request.headers))
        if not hmac.compare_digest(digest, request.app.state.bank_key_sha256):
            raise auth.key_refused()


class _OperatorKey(HTTPBearer):
    async def __call__(self, request: HTTPConnection) -> None:
        await request.app.state.admin_guard(request)


async def _key(
    request: Request,
    _documented: Annotated[
        str | None,
        Header(alias="Idempotency-Key", description="One effect and one answer a key, for good."),
    ] = None,
) -> str:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        raise KeyRequired
    if len(keys) > 1 or _KEY.match(keys[0]) is None:
        raise KeyInvalid(f"Send one key of 1 to {KEY_LENGTH_MAX} visible ASCII characters.")
    return keys[0]


Merchant = Security(_MerchantKey(description="The merchant's key.", scheme_name="BankKey"))
Operator = Security(_OperatorKey(description="The operator's key.", scheme_name="AdminKey"))
IdempotencyKey = Annotated[str, Depends(_key)]
