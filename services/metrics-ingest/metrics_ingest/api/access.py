"""What routes of the framework need: the resources, and whose request it is."""

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.resources import Resources

# Only for the OpenAPI document: `receivers.auth` reads the header itself.
_bearer = HTTPBearer(
    auto_error=False,
    description="API key of a tenant; also as password of Basic auth, with any user.",
    scheme_name="ApiKey",
)


def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


async def _tenant(
    request: Request,
    _token: Annotated[Any, Security(_bearer)],
) -> Tenant:
    """Raises Unauthorized, Forbidden (the operator is nobody's tenant)."""
    return await _resources(request).access.tenant(request.headers)


async def _tenant_or_operator(
    request: Request,
    _token: Annotated[Any, Security(_bearer)],
) -> Tenant | None:
    return await _resources(request).access.tenant_or_admin(request.headers)


Ours = Annotated[Resources, Depends(_resources)]
CallingTenant = Annotated[Tenant, Depends(_tenant)]
Caller = Annotated[Tenant | None, Depends(_tenant_or_operator)]
"""None is the operator."""
