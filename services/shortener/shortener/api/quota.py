"""/v1/quota: what is left of the month."""

from chassis.problems import problem_responses
from fastapi import APIRouter, Request

from shortener.api.access import CallingTenant
from shortener.api.parameters import ALWAYS
from shortener.schemas import QuotaOut
from shortener.usecases import quota as usecases

router = APIRouter(prefix="/v1/quota", tags=["tenant"])


@router.get("", summary="Get the monthly quota", responses=problem_responses(*ALWAYS))
async def get_quota(request: Request, tenant: CallingTenant) -> QuotaOut:
    """Links created this month (UTC) and the limit. Deleting a link gives nothing back."""
    state = await usecases.get_quota(request.app.state.resources, tenant)
    return QuotaOut(
        month=state.month.strftime("%Y-%m"),
        limit=state.limit,
        used=state.used,
        remaining=max(0, state.limit - state.used),
    )
