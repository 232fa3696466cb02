"""/v1/links/{id}/resolve: a dry run of the redirect."""

from chassis.problems import problem_responses
from fastapi import APIRouter, Request

from shortener.api.access import CallingTenant
from shortener.api.parameters import ALWAYS, WITH_BODY, LinkId
from shortener.domain.rules import Facts, parse_accept_language
from shortener.problems import LinkNotFound
from shortener.schemas import DryRunIn, DryRunOut
from shortener.usecases import dryrun as usecases
from shortener.usecases.resources import now

router = APIRouter(prefix="/v1/links", tags=["links"])


@router.post(
    "/{link_id}/resolve",
    summary="Ask what the redirect would do",
    responses=problem_responses(*ALWAYS, *WITH_BODY, LinkNotFound),
)
async def resolve(request: Request, tenant: CallingTenant, link_id: LinkId, body: DryRunIn) -> DryRunOut:
    """Which target the visitor would get, and why. Counts neither as visit nor as click."""
    facts = Facts(
        now=body.time or now(),
        device=body.device,
        languages=parse_accept_language(body.language or ""),
        country=body.country,
        visitor=link_id.bytes + (body.visitor or "").encode(),
    )
    preview = await usecases.preview_redirect(request.app.state.resources, tenant, link_id, facts)
    return DryRunOut(status=preview.status, url=preview.url, rule=preview.rule, reason=preview.reason)
