"""Whose request it is: API keys in every form that senders have for them."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from chassis.auth import KeyCache, hash_key
from chassis.problems import Forbidden, Unauthorized
from chassis.settings import ChassisSettings

from metrics_ingest.domain.tenants import Tenant

BEARER = "bearer"
BASIC = "basic"
INFLUX_TOKEN = "token"  # noqa: S105 the scheme's name
DATADOG_HEADER = "dd-api-key"
_EVERYWHERE = frozenset((BEARER, BASIC))
_KEY_LENGTH_MAX = 256
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="metrics", Basic realm="metrics"'}


@dataclass(frozen=True, slots=True)
class Access:
    """One a process; raises `Unauthorized`, `Forbidden` and what looking tenants up raises."""

    keys: KeyCache[Tenant]
    admin_sha256: bytes | None

    @classmethod
    def of(cls, settings: ChassisSettings, keys: KeyCache[Tenant]) -> "Access":
        admin = settings.admin_api_key
        return cls(keys, None if admin is None else hash_key(admin.get_secret_value()))

    async def tenant(self, headers: Mapping[str, str], own: str = "") -> Tenant:
        """`headers` by lower-case names; `own` is a scheme or a header that the protocol has besides."""
        tenant = await self.tenant_or_admin(headers, own)
        if tenant is None:
            raise Forbidden("This belongs to a tenant: send one of its keys.")
        return tenant

    async def tenant_or_admin(self, headers: Mapping[str, str], own: str = "") -> Tenant | None:
        """None is the operator."""
        key = key_of(headers, own)
        if self.admin_sha256 is not None and hmac.compare_digest(hash_key(key), self.admin_sha256):
            return None
        tenant = await self.keys.get(key)
        if tenant is None:
            raise Unauthorized("The API key is not known.", headers=_CHALLENGE)
        return tenant


def key_of(headers: Mapping[str, str], own: str = "") -> str:
    """Raises `Unauthorized` where there is none, or nothing that could be one."""
    key = headers.get(own, "") if own == DATADOG_HEADER else ""
    if not key:
        key = _authorization(headers.get("authorization", ""), own)
    if not key or len(key) > _KEY_LENGTH_MAX or not key.isascii() or " " in key:
        raise Unauthorized("Send the API key as Bearer token or Basic password.", headers=_CHALLENGE)
    return key


def _authorization(value: str, own: str) -> str:
    scheme, _, rest = value.strip().partition(" ")
    scheme, rest = scheme.lower(), rest.strip()
    if scheme not in _EVERYWHERE and scheme != own:
        return ""
    return _password(rest) if scheme == BASIC else rest


def _password(credentials: str) -> str:
    """Of any user."""
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return decoded.partition(":")[2]
