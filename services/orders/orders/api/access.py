"""Who may call: API keys, the admin key, the rates of tenants and of addresses that guess."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from chassis import auth, ratelimit
from chassis.auth import KeyCache
from chassis.problems import Forbidden, Unauthorized
from chassis.ratelimit import Limit, LocalLimiter, RateLimiter
from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from orders.domain.tenants import Tenant
from orders.settings import OrdersSettings

# Only for the OpenAPI document: the chassis reads the header itself.
_bearer = HTTPBearer(auto_error=False, description="API key of a tenant.", scheme_name="ApiKey")
_admin_bearer = HTTPBearer(auto_error=False, description="The operator's key.", scheme_name="AdminKey")


@dataclass(frozen=True, slots=True)
class Access:
    """Built once in main, kept on `app.state.access`."""

    settings: OrdersSettings
    keys: KeyCache[Tenant]
    limiter: RateLimiter
    guesses: LocalLimiter
    admin: Callable[[Request], Awaitable[None]]


async def _tenant(request: Request, _documented: Annotated[Any, Security(_bearer)]) -> Tenant:
    access: Access = request.app.state.access
    try:
        tenant = await access.keys.require(auth.bearer_token(request.headers))
    except Unauthorized:
        _count_guess(access, request)
        raise
    limit = Limit("tenant", tenant.id, tenant.rate_per_s, tenant.burst)
    ratelimit.announce(request, await access.limiter.check([limit]))
    return tenant


async def _operator(request: Request, _documented: Annotated[Any, Security(_admin_bearer)]) -> None:
    access: Access = request.app.state.access
    try:
        await access.admin(request)
    except (Unauthorized, Forbidden):
        _count_guess(access, request)
        raise


def _count_guess(access: Access, request: Request) -> None:
    """Guessing keys costs the address its rate. Raises TooManyRequests."""
    # The peer of the connection: headers that a client can forge decide nothing.
    address = request.client.host if request.client is not None else "unknown"
    settings = access.settings
    limit = Limit("refused-keys", address, settings.refused_key_rate_per_s, settings.refused_key_burst)
    ratelimit.fields_of(access.guesses.check([limit]))


# On a router: whoever calls is known before anything else of the request is judged.
TenantOnly = Depends(_tenant)
CallingTenant = Annotated[Tenant, Depends(_tenant)]
Operator = Depends(_operator)
