"""Who may call: secret keys by Bearer or Basic, and the rate of each account."""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from chassis import ratelimit
from chassis.auth import KeyCache
from chassis.ratelimit import Limit, LocalLimiter, RateLimiter

from payments.dialect.calls import Account
from payments.dialect.errors import RateLimited, Unauthorized

_KEY_LENGTH_MAX: Final = 256
_MARKED: Final = ("sk_test_", "sk_live_", "rk_test_", "rk_live_", "pk_test_", "pk_live_")
_SHOWN: Final = 4
_MISSING: Final = (
    "You did not provide an API key. Provide your secret key in the Authorization header, using Bearer auth"
    " (`Authorization: Bearer YOUR_SECRET_KEY`) or Basic auth with the key as the user name and no password."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """An account, with its limits made once."""

    account: Account
    limits: tuple[Limit, ...]

    @classmethod
    def of(cls, account: Account) -> "Caller":
        return cls(account, (Limit("account", account.id, account.rate_per_s, account.burst),))


class Gate:
    """Lets callers in, a request at a time."""

    def __init__(
        self, keys: KeyCache[Caller], limiter: RateLimiter, *, guesses: LocalLimiter, rate: float, burst: int
    ) -> None:
        """`rate` and `burst` are an address's, of keys that nobody has."""
        self._keys = keys
        self._limiter = limiter
        self._guesses, self._rate, self._burst = guesses, rate, burst

    async def admit(self, authorization: bytes | None, address: str) -> tuple[Caller, dict[str, str]]:
        """The caller, and the header fields of its limit. Raises Unauthorized, RateLimited."""
        key = secret_key(authorization)
        caller = await self._keys.get(key)
        if caller is None:
            self._count_guess(address)
            raise Unauthorized(f"Invalid API Key provided: {masked(key)}")
        decision = await self._limiter.check(caller.limits)
        fields = ratelimit.headers(decision)
        if not decision.allowed:
            raise RateLimited(fields)
        return caller, fields

    def _count_guess(self, address: str) -> None:
        decision = self._guesses.check([Limit("refused-keys", address, self._rate, self._burst)])
        if not decision.allowed:
            raise RateLimited(ratelimit.headers(decision))


def secret_key(authorization: bytes | None) -> str:
    """The key of an Authorization header. Raises Unauthorized when there is none in it."""
    if not authorization:
        raise Unauthorized(_MISSING)
    scheme, _, rest = authorization.decode("latin-1").strip().partition(" ")
    rest = rest.strip()
    match scheme.lower():
        case "bearer":
            key = rest
        case "basic":
            key = _user_name(rest)
        case _:
            raise Unauthorized(_MISSING)
    if not key:
        raise Unauthorized(_MISSING)
    if key.startswith("pk_"):
        raise Unauthorized(
            "This API call cannot be made with a publishable API key. Use a secret API key.",
            code="secret_key_required",
        )
    if len(key) > _KEY_LENGTH_MAX or not key.isascii() or " " in key:
        raise Unauthorized(f"Invalid API Key provided: {masked(key)}")
    return key


def _user_name(encoded: str) -> str:
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Unauthorized(
            "The Authorization header is not Basic auth: it must be base64 of `KEY:`."
        ) from None
    return pair.partition(":")[0].strip()


def masked(key: str) -> str:
    """What may be told of a key: its kind and its last four characters, if that leaves enough hidden."""
    kind = next((mark for mark in _MARKED if key.startswith(mark)), "")
    hidden = len(key) - len(kind) - _SHOWN
    if hidden < 2 * _SHOWN:
        return kind + "*" * 8
    return kind + "*" * min(hidden, 24) + ascii(key[-_SHOWN:])[1:-1]
