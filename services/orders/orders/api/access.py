"""Who may call: API keys, the admin key, the rates of tenants and of addresses that guess."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from chassis import auth, ratelimit
from chassis.auth import KeyCache
from chassis.problems import Forbidden, TooManyRequests, Unauthorized
from chassis.ratelimit import Decision, Limit, LocalLimiter, RateLimiter
from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orders.domain.tenants import Tenant
from orders.settings import OrdersSettings

_STATE: Final = "ratelimit_headers"

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
    request.scope["state"][_STATE] = _fields_of(await access.limiter.check([limit]))
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
    _fields_of(access.guesses.check([limit]))


def _fields_of(decision: Decision) -> Mapping[str, str]:
    """Raises TooManyRequests."""
    fields = ratelimit.headers(decision)
    if not decision.allowed:
        raise TooManyRequests(f"The limit of this {decision.limit.name} is reached.", headers=fields)
    return fields


class RateLimitHeaders:
    """Adds the limiter's fields to whatever the answer turns out to be, problems included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start" and _STATE in state:
                fields = [(name.lower().encode(), value.encode()) for name, value in state[_STATE].items()]
                message["headers"] = [*message.get("headers", ()), *fields]
            await send(message)

        await self._app(scope, receive, sender)


# On a router: whoever calls is known before anything else of the request is judged.
TenantOnly = Depends(_tenant)
CallingTenant = Annotated[Tenant, Depends(_tenant)]
Operator = Depends(_operator)
