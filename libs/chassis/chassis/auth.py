"""API keys: making, hashing, looking up through a small cache, and the guard of admin routes."""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, TypeVar

from starlette.requests import Request

from chassis.metrics import counter
from chassis.problems import Forbidden, Unauthorized
from chassis.settings import ChassisSettings

P = TypeVar("P")

_KEY_BYTES = 24  # 192 random bits; 128 are the least allowed
_KEY_LENGTH_MAX = 256
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="api"'}
_INVALID = {"WWW-Authenticate": 'Bearer realm="api", error="invalid_token"'}
_LOOKUPS = counter(
    "auth_key_lookups_total", "API keys looked up, by where the answer came from.", ("outcome",)
)


def new_api_key(prefix: str = "sb_test_") -> str:
    """`prefix` tells people and secret scanners what the key is; 192 random bits follow."""
    return prefix + secrets.token_urlsafe(_KEY_BYTES)


def hash_key(key: str) -> bytes:
    """SHA-256: a key of 128 random bits or more needs neither salt nor a slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def bearer_token(headers: Mapping[str, str] | Iterable[tuple[bytes, bytes]]) -> str:
    """The token of `Authorization: Bearer`, from mapped or raw ASGI headers. Raises Unauthorized."""
    if isinstance(headers, Mapping):
        value = headers.get("authorization")
    else:
        value = next((v.decode("latin-1") for k, v in headers if k == b"authorization"), None)
    if value is None:
        raise Unauthorized("Send the API key as `Authorization: Bearer KEY`.", headers=_CHALLENGE)
    scheme, _, token = value.strip().partition(" ")
    token = token.strip()
    malformed = not token or len(token) > _KEY_LENGTH_MAX or not token.isascii() or " " in token
    if scheme.lower() != "bearer" or malformed:
        raise Unauthorized("The Authorization header is not `Bearer KEY`.", headers=_INVALID)
    return token


def key_refused() -> Unauthorized:
    """One answer for unknown and revoked keys alike."""
    return Unauthorized("The API key is not known.", headers=_INVALID)


class KeyCache(Generic[P]):
    """Principals by key hash: bounded, least recently used leaves first, one lookup in flight a key.

    A revoked key works until its entry is `ttl_s` old; an unknown one is asked for again after
    `negative_ttl_s`. Failed lookups are not cached and reach every caller that waited.
    """

    def __init__(
        self,
        lookup: Callable[[bytes], Awaitable[P | None]],
        ttl_s: float = 30.0,
        size_max: int = 10_000,
        *,
        negative_ttl_s: float = 2.0,
        timeout_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lookup = lookup
        self._ttl_s = ttl_s
        self._negative_ttl_s = negative_ttl_s
        self._size_max = size_max
        self._timeout_s = timeout_s
        self._clock = clock
        self._entries: OrderedDict[bytes, tuple[float, P | None]] = OrderedDict()
        self._flights: dict[bytes, asyncio.Task[P | None]] = {}
        self._hit = _LOOKUPS.labels("cache")
        self._miss = _LOOKUPS.labels("store")

    @classmethod
    def of(cls, settings: ChassisSettings, lookup: Callable[[bytes], Awaitable[P | None]]) -> "KeyCache[P]":
        """With the bounds that every service's settings name."""
        return cls(
            lookup,
            settings.key_cache_ttl_s,
            settings.key_cache_size_max,
            negative_ttl_s=settings.key_cache_negative_ttl_s,
            timeout_s=settings.database_timeout_s,
        )

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, key: str) -> P | None:
        """The principal of a key in clear; none when the key is unknown."""
        digest = hash_key(key)
        entry = self._entries.get(digest)
        if entry is not None and entry[0] > self._clock():
            self._entries.move_to_end(digest)
            self._hit.inc()
            return entry[1]
        flight = self._flights.get(digest)
        if flight is None:
            flight = self._flights[digest] = asyncio.create_task(self._fetch(digest))
            flight.add_done_callback(lambda done: self._land(digest, done))
        # The flight is shared: one caller that gives up must not take it from the others.
        return await asyncio.shield(flight)

    async def require(self, key: str) -> P:
        """The principal of a key. Raises Unauthorized when there is none."""
        principal = await self.get(key)
        if principal is None:
            raise key_refused()
        return principal

    def forget(self, digest: bytes) -> None:
        """Drops one key at once, after it was revoked here."""
        self._entries.pop(digest, None)

    async def _fetch(self, digest: bytes) -> P | None:
        self._miss.inc()
        async with asyncio.timeout(self._timeout_s):
            principal = await self._lookup(digest)
        ttl_s = self._negative_ttl_s if principal is None else self._ttl_s
        self._entries[digest] = (self._clock() + ttl_s, principal)
        self._entries.move_to_end(digest)
        while len(self._entries) > self._size_max:
            self._entries.popitem(last=False)
        return principal

    def _land(self, digest: bytes, flight: "asyncio.Task[P | None]") -> None:
        self._flights.pop(digest, None)
        if not flight.cancelled():
            flight.exception()  # seen, even when every caller has gone


def admin_guard(settings: ChassisSettings) -> Callable[[Request], Awaitable[None]]:
    """A FastAPI dependency that lets only the admin key in; without one configured, nobody."""
    secret = settings.admin_api_key
    expected = hash_key(secret.get_secret_value()) if secret is not None else None

    async def guard(request: Request) -> None:
        token = bearer_token(request.headers)
        if expected is None or not hmac.compare_digest(hash_key(token), expected):
            raise Forbidden("This needs the admin key.")

    return guard
