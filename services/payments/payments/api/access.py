"""What routes of the framework (not under /v1) need: the resources, and the operator's key."""

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from payments.resources import Resources

# Only for the OpenAPI document: the chassis reads the header itself.
_admin_bearer = HTTPBearer(auto_error=False, description="The operator's key.", scheme_name="AdminKey")


def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


async def _admin(request: Request, _documented: Annotated[Any, Security(_admin_bearer)]) -> None:
    """Raises Unauthorized, Forbidden."""
    await request.app.state.admin_guard(request)


Ours = Annotated[Resources, Depends(_resources)]
Operator = Depends(_admin)
"""`APIRouter(prefix="/admin", dependencies=[Operator])`."""
