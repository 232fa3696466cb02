"""/v1/links/import and /export: links as lines of JSON."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Final

from chassis.once import Answer, Repeatable
from chassis.problems import BodyTooLarge, MalformedBody, Problem, problem_responses
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from shortener.api import shapes
from shortener.api.access import CallingTenant
from shortener.api.bulk import read_rows
from shortener.api.headers import IdempotencyKey
from shortener.api.parameters import ALWAYS, WITH_BODY, tenant_scope
from shortener.domain.links import Link
from shortener.problems import IdempotencyInFlight, IdempotencyKeyInvalid, IdempotencyMismatch
from shortener.schemas import Tag
from shortener.usecases import bulk as usecases
from shortener.usecases import lists
from shortener.usecases.bulk import Outcome
from shortener.usecases.resources import Resources, Tenant

router = APIRouter(prefix="/v1/links", tags=["bulk"])

_LINES = {"content": {shapes.NDJSON: {"schema": {"type": "string"}}}}
_EXAMPLE: Final = (
    '{"url": "https://example.com/a"}\n{"url": "https://example.com/b", "slug": "spring-sale"}\n'
)


@router.post(
    "/import",
    summary="Import links as NDJSON",
    response_class=Response,
    responses=problem_responses(
        *ALWAYS, *WITH_BODY, IdempotencyInFlight, IdempotencyKeyInvalid, IdempotencyMismatch
    )
    | {
        200: {
            "description": 'A line for each line: `{"line", "link"}` or `{"line", "problem"}`.',
            **_LINES,
        },
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {shapes.NDJSON: {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
    },
)
async def import_links(request: Request, tenant: CallingTenant, key: IdempotencyKey) -> Response:
    """Each line is a link as in `POST /v1/links`; blank lines are skipped. Body up to 8 MiB.

    Lines are created in batches, each in a transaction of its own, and each line is answered by itself. When
    the connection breaks, send the same lines with the same `Idempotency-Key`: what was done is answered
    again.
    """
    # The body is read whole first: a client that sends before it reads would else block, and we with it.
    lines = _lines(await request.body(), request.app.state.settings.import_line_bytes_max)
    batches = _import(request, tenant, lines, key)
    # The first batch runs before the answer starts, so that a refusal of the whole has a status of its own.
    first = await anext(batches, b"")

    async def stream() -> AsyncIterator[bytes]:
        yield first
        try:
            async for rows in batches:
                yield rows
        except Problem as problem:
            yield shapes.problem_line(problem)

    return StreamingResponse(stream(), media_type=shapes.NDJSON)


async def _import(
    request: Request, tenant: Tenant, lines: Sequence[tuple[int, bytes]], key: str | None
) -> AsyncIterator[bytes]:
    state, base_url = request.app.state, shapes.base_url_of(request)
    resources: Resources = state.resources
    whole = Repeatable.of(tenant_scope(tenant), key, "POST /v1/links/import", None)
    size = state.settings.import_batch_rows
    for start in range(0, len(lines), size):
        batch = lines[start : start + size]
        numbers = [number for number, _ in batch]
        drafts, parameters = await read_rows(
            [line for _, line in batch], state.own_hosts, fingerprinted=key is not None
        )
        answer = await usecases.create_links(
            resources,
            tenant,
            drafts,
            whole.part(start, [size, parameters]) if whole is not None else None,
            _render(numbers, base_url),
            atomic=False,
            via="import",
        )
        yield answer.body


def _render(numbers: Sequence[int], base_url: str) -> usecases.Render:
    async def render(outcomes: Sequence[Outcome]) -> Answer:
        rows = [
            shapes.outcome_json(outcome, base_url, line=number)
            for number, outcome in zip(numbers, outcomes, strict=True)
        ]
        return Answer(200, b"".join(row + b"\n" for row in rows))

    return render


def _lines(body: bytes, bytes_max: int) -> list[tuple[int, bytes]]:
    """The lines that hold something, with their numbers from 1."""
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    if not lines:
        raise MalformedBody("The body has no lines.")
    if max(len(line) for _, line in lines) > bytes_max:
        raise BodyTooLarge(f"A line has at most {bytes_max} bytes.")
    return lines


@router.get(
    "/export",
    summary="Export links as NDJSON",
    response_class=Response,
    responses=problem_responses(*ALWAYS)
    | {200: {"description": "A line for each link, newest first.", **_LINES}},
)
async def export_links(
    request: Request,
    tenant: CallingTenant,
    tag: Annotated[Tag | None, Query(description="Only links with this tag.")] = None,
) -> Response:
    """All links of the tenant, read page by page: links changed meanwhile are given as they then are."""
    base_url = shapes.base_url_of(request)
    pages = lists.export_links(request.app.state.resources, tenant, tag)
    first: list[Link] = await anext(
        pages, []
    )  # before the answer starts, so that an absent database is a 503

    async def stream() -> AsyncIterator[bytes]:
        yield shapes.links_lines(first, base_url)
        async for links in pages:
            yield shapes.links_lines(links, base_url)

    return StreamingResponse(stream(), media_type=shapes.NDJSON)
