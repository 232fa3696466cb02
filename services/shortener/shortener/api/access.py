"""Who may call: API keys, the admin key, rate limits of tenants and addresses."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from chassis import auth, ratelimit
from chassis.auth import KeyCache
from chassis.problems import Unauthorized
from chassis.ratelimit import Limit, RateLimiter
from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from shortener.settings import ShortenerSettings
from shortener.usecases.resources import Tenant

# Only for the OpenAPI document: the chassis reads the header itself.
_bearer = HTTPBearer(auto_error=False, description="API key of a tenant.", scheme_name="ApiKey")
_admin_bearer = HTTPBearer(auto_error=False, description="The operator's key.", scheme_name="AdminKey")


@dataclass(frozen=True, slots=True)
class Access:
    """Built once in main, kept on `app.state.access`."""

    settings: ShortenerSettings
    keys: KeyCache[Tenant]
    limiter: RateLimiter
    admin: Callable[[Request], Awaitable[None]]


async def _tenant(request: Request, _documented: Annotated[Any, Security(_bearer)]) -> Tenant:
    access: Access = request.app.state.access
    limits = [_address_limit(access.settings, request)]
    try:
        tenant = await access.keys.require(auth.bearer_token(request.headers))
    except Unauthorized:
        await _weigh(access.limiter, request, limits)  # guessing keys costs the address its rate
        raise
    limits.append(Limit("tenant", tenant.id, tenant.rate_per_s, tenant.burst))
    await _weigh(access.limiter, request, limits)
    return tenant


async def _admin(request: Request, _documented: Annotated[Any, Security(_admin_bearer)]) -> None:
    access: Access = request.app.state.access
    await _weigh(access.limiter, request, [_address_limit(access.settings, request)])
    await access.admin(request)


async def _anyone(request: Request) -> str:
    access: Access = request.app.state.access
    settings = access.settings
    address = address_of(request)
    report = Limit("report", address, settings.report_rate_per_s, settings.report_burst)
    await _weigh(access.limiter, request, [_address_limit(settings, request), report])
    return address


async def _weigh(limiter: RateLimiter, request: Request, limits: list[Limit]) -> None:
    ratelimit.announce(request, await limiter.check(limits))


def _address_limit(settings: ShortenerSettings, request: Request) -> Limit:
    return Limit("address", address_of(request), settings.ip_rate_per_s, settings.ip_burst)


def address_of(request: Request) -> str:
    """The peer of the connection: headers that a client can forge decide nothing."""
    return request.client.host if request.client is not None else "unknown"


CallingTenant = Annotated[Tenant, Depends(_tenant)]
Operator = Depends(_admin)
Address = Annotated[str, Depends(_anyone)]
