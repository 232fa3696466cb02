"""Who may call: merchants with the bank's key, operators with theirs; and the key of each effect."""

import hmac
import re
from typing import Annotated, Any, Final

from chassis import auth
from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPBearer

from bank.problems import KeyInvalid, KeyRequired

KEY_LENGTH_MAX: Final = 255
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")

# Only for the OpenAPI document: the chassis reads the header itself.
_bearer = HTTPBearer(auto_error=False, description="The merchant's key.", scheme_name="BankKey")
_admin_bearer = HTTPBearer(auto_error=False, description="The operator's key.", scheme_name="AdminKey")


async def _merchant(request: Request, _documented: Annotated[Any, Security(_bearer)]) -> None:
    digest = auth.hash_key(auth.bearer_token(request.headers))
    if not hmac.compare_digest(digest, request.app.state.bank_key_sha256):
        raise auth.key_refused()


async def _operator(request: Request, _documented: Annotated[Any, Security(_admin_bearer)]) -> None:
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


Merchant = Depends(_merchant)
Operator = Depends(_operator)
IdempotencyKey = Annotated[str, Depends(_key)]
