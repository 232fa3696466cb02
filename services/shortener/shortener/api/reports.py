"""Abuse reports by anyone, and the operator's side: takedown, restore, the list of reports."""

from typing import Annotated, Literal

from chassis.once import Repeatable
from chassis.problems import Forbidden, problem_responses
from fastapi import APIRouter, Path, Query, Request, Response

from shortener.api import shapes
from shortener.api.access import Address, Operator
from shortener.api.headers import IdempotencyKey
from shortener.api.parameters import ALWAYS, WITH_BODY, Cursor, Limit, uuid_or_none
from shortener.domain import slugs
from shortener.problems import (
    CursorInvalid,
    IdempotencyInFlight,
    IdempotencyKeyInvalid,
    IdempotencyMismatch,
    LinkNotFound,
    ReportNotFound,
    ReportResolved,
)
from shortener.schemas import (
    LinkOut,
    ReportIn,
    ReportOut,
    ReportPage,
    ReportReceipt,
    ResolveReportIn,
    TakedownIn,
)
from shortener.usecases import reports as usecases

public = APIRouter(prefix="/v1/reports", tags=["abuse"])
admin = APIRouter(prefix="/v1/admin", tags=["operator"], dependencies=[Operator])

_ADMIN = (*ALWAYS, Forbidden)
LinkOrSlug = Annotated[str, Path(description="A link's id or its slug.", max_length=64)]


@public.post(
    "",
    status_code=201,
    summary="Report a link",
    responses=problem_responses(
        *ALWAYS[1:], *WITH_BODY, LinkNotFound, IdempotencyInFlight, IdempotencyKeyInvalid, IdempotencyMismatch
    )
    | {201: {"model": ReportReceipt}},
)
async def report_link(request: Request, address: Address, body: ReportIn, key: IdempotencyKey) -> Response:
    """Anyone may; a few a minute from one address."""
    slug = slugs.may_exist(body.slug)
    if slug is None:
        raise LinkNotFound
    answer = await usecases.report_link(
        request.app.state.resources,
        slug=slug,
        reason=body.reason,
        comment=body.comment,
        contact=body.contact,
        request=Repeatable.of(
            f"address:{address}", key, "POST /v1/reports", body.model_dump(mode="json", exclude_none=True)
        ),
        render=shapes.received,
    )
    return shapes.answer_response(answer)


@admin.get(
    "/reports",
    summary="List abuse reports",
    responses=problem_responses(*_ADMIN, CursorInvalid),
)
async def list_reports(
    request: Request,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[Literal["open", "dismissed", "upheld"] | None, Query()] = None,
) -> ReportPage:
    """Newest first."""
    cursors = request.app.state.cursors
    after = cursors.decode(cursor, "reports", state)
    found, last = await usecases.list_reports(
        request.app.state.resources, state=state, after=after, limit=limit
    )
    return ReportPage(
        items=[shapes.report_out(report) for report in found],
        next_cursor=cursors.encode(last, "reports", state),
    )


@admin.post(
    "/reports/{report_id}/resolve",
    summary="Dismiss a report or take its link down",
    responses=problem_responses(*_ADMIN, *WITH_BODY, ReportNotFound, ReportResolved),
)
async def resolve_report(request: Request, report_id: str, body: ResolveReportIn) -> ReportOut:
    """A takedown holds for the link and is seen by every worker within moments."""
    found = uuid_or_none(report_id)
    if found is None:
        raise ReportNotFound
    report = await usecases.resolve_report(request.app.state.resources, found, body.decision, body.note)
    return shapes.report_out(report)


@admin.post(
    "/links/{link}/takedown",
    summary="Take a link down",
    response_model=LinkOut,
    responses=problem_responses(*_ADMIN, *WITH_BODY, LinkNotFound),
)
async def take_down(request: Request, link: LinkOrSlug, body: TakedownIn) -> Response:
    """Of whichever tenant. The redirect answers 410; the tenant can neither enable it nor free its slug."""
    taken = await usecases.take_down(
        request.app.state.resources, uuid_or_none(link), _slug(link), body.reason
    )
    return shapes.link_response(taken, shapes.base_url_of(request))


@admin.post(
    "/links/{link}/restore",
    summary="Undo a takedown",
    response_model=LinkOut,
    responses=problem_responses(*_ADMIN, LinkNotFound),
)
async def restore(request: Request, link: LinkOrSlug) -> Response:
    restored = await usecases.restore(request.app.state.resources, uuid_or_none(link), _slug(link))
    return shapes.link_response(restored, shapes.base_url_of(request))


def _slug(link: str) -> str:
    """What cannot be a slug matches none: no slug is empty."""
    return slugs.may_exist(link) or ""
