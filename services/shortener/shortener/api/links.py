"""/v1/links: one link at a time, and lists of them."""

from typing import Annotated

from chassis.once import Repeatable
from chassis.problems import problem_responses
from fastapi import APIRouter, Query, Request, Response

from shortener.api import shapes
from shortener.api.access import CallingTenant
from shortener.api.drafts import change_of, draft_of
from shortener.api.headers import IdempotencyKey, IfMatch, is_unchanged
from shortener.api.parameters import ALWAYS, WITH_BODY, Cursor, Limit, LinkId, SearchText, tenant_scope
from shortener.problems import (
    CursorInvalid,
    HeaderInvalid,
    IdempotencyInFlight,
    IdempotencyKeyInvalid,
    IdempotencyMismatch,
    LinkNotFound,
    LinkTakenDown,
    QuotaExceeded,
    SlugConfusable,
    SlugTaken,
    VersionMismatch,
    VisitsUsed,
)
from shortener.schemas import DisableIn, LinkCreate, LinkOut, LinkPage, LinkPatch, Tag
from shortener.usecases import links as usecases
from shortener.usecases import lists

router = APIRouter(prefix="/v1/links", tags=["links"])

_CHANGES = (*ALWAYS, LinkNotFound, VersionMismatch, HeaderInvalid)
_ETAG = {"ETag": {"description": "The link's version.", "schema": {"type": "string"}, "example": '"1"'}}


@router.post(
    "",
    status_code=201,
    summary="Create a link",
    responses=problem_responses(
        *ALWAYS,
        *WITH_BODY,
        SlugTaken,
        SlugConfusable,
        QuotaExceeded,
        IdempotencyInFlight,
        IdempotencyKeyInvalid,
        IdempotencyMismatch,
    )
    | {201: {"model": LinkOut, "headers": _ETAG}},
)
async def create_link(
    request: Request, tenant: CallingTenant, body: LinkCreate, key: IdempotencyKey
) -> Response:
    """Without `slug` the link gets a generated code. With an `Idempotency-Key` it is safe to repeat."""
    state, base_url = request.app.state, shapes.base_url_of(request)
    draft = draft_of(body, state.own_hosts)
    repeatable = Repeatable.of(
        tenant_scope(tenant), key, "POST /v1/links", body.model_dump(mode="json", exclude_none=True)
    )
    answer = await usecases.create_link(
        state.resources, tenant, draft, repeatable, lambda link: shapes.created(link, base_url)
    )
    return shapes.answer_response(answer)


@router.get(
    "", summary="List links", response_model=LinkPage, responses=problem_responses(*ALWAYS, CursorInvalid)
)
async def list_links(
    request: Request,
    tenant: CallingTenant,
    limit: Limit = 50,
    cursor: Cursor = None,
    q: Annotated[SearchText | None, Query(description="Part of slug, URL or title, in any case.")] = None,
    tag: Annotated[Tag | None, Query(description="A tag, exactly.")] = None,
) -> Response:
    """Newest first. A cursor is good for the list it came from, with the same `q` and `tag`."""
    state, base_url = request.app.state, shapes.base_url_of(request)
    after = state.cursors.decode(cursor, tenant.id, q, tag)
    links, last = await lists.list_links(state.resources, tenant, after=after, limit=limit, q=q, tag=tag)
    page = LinkPage.model_construct(
        items=[shapes.link_out(link, base_url) for link in links],
        next_cursor=state.cursors.encode(last, tenant.id, q, tag),
    )
    return Response(page.model_dump_json(), media_type=shapes.JSON)


@router.get(
    "/{link_id}",
    summary="Get a link",
    response_model=LinkOut,
    responses=problem_responses(*ALWAYS, LinkNotFound)
    | {304: {"description": "Unchanged", "headers": _ETAG}},
)
async def get_link(request: Request, tenant: CallingTenant, link_id: LinkId) -> Response:
    """With `If-None-Match` the answer is 304 while the version is the same."""
    link = await usecases.get_link(request.app.state.resources, tenant, link_id)
    if is_unchanged(request, shapes.etag(link)):
        return Response(status_code=304, headers={"ETag": shapes.etag(link)})
    return shapes.link_response(link, shapes.base_url_of(request))


@router.patch(
    "/{link_id}",
    summary="Change a link",
    response_model=LinkOut,
    responses=problem_responses(*_CHANGES, *WITH_BODY, VisitsUsed),
)
async def change_link(
    request: Request, tenant: CallingTenant, link_id: LinkId, body: LinkPatch, if_match: IfMatch
) -> Response:
    """What the body does not name stays; null takes a field back to its default."""
    state = request.app.state
    change = change_of(body, state.own_hosts)
    link = await usecases.change_link(state.resources, tenant, link_id, change, if_match)
    return shapes.link_response(link, shapes.base_url_of(request))


@router.delete("/{link_id}", status_code=204, summary="Delete a link", responses=problem_responses(*_CHANGES))
async def delete_link(
    request: Request, tenant: CallingTenant, link_id: LinkId, if_match: IfMatch
) -> Response:
    """The slug stays with the tenant: nobody else can take it."""
    await usecases.delete_link(request.app.state.resources, tenant, link_id, if_match)
    return Response(status_code=204)


@router.post(
    "/{link_id}/disable",
    summary="Switch a link off",
    response_model=LinkOut,
    responses=problem_responses(*_CHANGES, *WITH_BODY, LinkTakenDown),
)
async def disable_link(
    request: Request,
    tenant: CallingTenant,
    link_id: LinkId,
    if_match: IfMatch,
    body: DisableIn | None = None,
) -> Response:
    """The redirect answers 410 until the link is enabled again."""
    reason = body.reason if body is not None else None
    link = await usecases.disable_link(request.app.state.resources, tenant, link_id, reason, if_match)
    return shapes.link_response(link, shapes.base_url_of(request))


@router.post(
    "/{link_id}/enable",
    summary="Switch a link on",
    response_model=LinkOut,
    responses=problem_responses(*_CHANGES, LinkTakenDown),
)
async def enable_link(
    request: Request, tenant: CallingTenant, link_id: LinkId, if_match: IfMatch
) -> Response:
    """A link that the operator took down stays down."""
    link = await usecases.enable_link(request.app.state.resources, tenant, link_id, if_match)
    return shapes.link_response(link, shapes.base_url_of(request))
