"""/v1/dead-letters: what consumers gave up, and another try for it; the operator's alone."""

from typing import Annotated, Final
from uuid import UUID

import msgspec
from chassis.logs import request_context
from chassis.problems import problem_responses
from chassis.resilience import deadline
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from orders.api import cursors, letter_shapes
from orders.api.access import Operator
from orders.api.headers import JsonBody
from orders.api.parameters import ADMIN, WITH_BODY
from orders.domain.letters import Kind, Order
from orders.letter_schemas import FilterIn, LetterPage, RunIn, RunOut, WholeLetterOut
from orders.problems import CursorInvalid, LetterNotFound, RunNotFound
from orders.resources import Resources
from orders.usecases import dead_letters, redrive_runs

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"], dependencies=[Operator])

# Kept of a request's time, to end a step and write the answer.
ANSWER_S: Final = 2.0

RunId = Annotated[str, Path(description="The `run_id` of a redrive or a discard.")]


class LettersQuery(FilterIn):
    limit: int = Field(default=50, ge=1, le=1_000, description="Items a page.")
    cursor: str | None = Field(
        default=None, description="`next_cursor` of the page before, with the same filters."
    )


@router.get("", summary="List dead letters", responses=problem_responses(*ADMIN, CursorInvalid))
async def list_letters(request: Request, query: Annotated[LettersQuery, Query()]) -> LetterPage:
    """The latest first. A cursor is good for the list it came from, with the same filters."""
    wanted = query.wanted()
    bound_to = ("dead-letters", msgspec.json.encode(wanted.named()).decode())
    place = cursors.decode(query.cursor, *bound_to)
    letters, following = await dead_letters.page(
        request.app.state.resources,
        wanted,
        before=None if place is None else int(place),
        limit=query.limit,
    )
    return LetterPage(
        items=[letter_shapes.letter_out(letter) for letter in letters],
        next_cursor=cursors.encode(None if following is None else str(following), *bound_to),
    )


@router.get(
    "/runs/{run_id}", summary="Tell how far a run came", responses=problem_responses(*ADMIN, RunNotFound)
)
async def get_run(request: Request, run_id: RunId) -> RunOut:
    return letter_shapes.run_out(await redrive_runs.get(request.app.state.resources, _run_id(run_id)))


@router.post("/runs/{run_id}/stop", summary="Stop a run", responses=problem_responses(*ADMIN, RunNotFound))
async def stop_run(request: Request, run_id: RunId) -> RunOut:
    """What it has done stays done; a run that is over stays as it is."""
    return letter_shapes.run_out(await redrive_runs.stop(request.app.state.resources, _run_id(run_id)))


@router.get(
    "/{letter_id}",
    summary="Show a dead letter",
    response_model=WholeLetterOut,
    responses=problem_responses(*ADMIN, LetterNotFound),
)
async def show_letter(
    request: Request, letter_id: Annotated[str, Path(description="The letter's `id`.")]
) -> Response:
    """With the message, and what happened to it."""
    found = _uuid_or_none(letter_id)
    if found is None:
        raise LetterNotFound
    whole = await dead_letters.show(request.app.state.resources, found)
    return Response(letter_shapes.whole_json(whole), media_type="application/json")


@router.post(
    "/redrive",
    summary="Send dead letters to their group again",
    dependencies=[JsonBody],
    responses=problem_responses(*ADMIN, *WITH_BODY),
)
async def redrive(request: Request, body: RunIn) -> RunOut:
    """Nobody but the group that gave them up sees them. The answer waits for a short run to end."""
    return await _run(request, Kind.REDRIVE, body)


@router.post(
    "/discard",
    summary="Give dead letters up for good",
    dependencies=[JsonBody],
    responses=problem_responses(*ADMIN, *WITH_BODY),
)
async def discard(request: Request, body: RunIn) -> RunOut:
    """They stay in the index, with who discarded them. The answer waits for a short run to end."""
    return await _run(request, Kind.DISCARD, body)


async def _run(request: Request, kind: Kind, body: RunIn) -> RunOut:
    resources: Resources = request.app.state.resources
    settings = resources.settings
    context = request_context.get()
    order = Order(
        kind=kind,
        filter=body.filter.wanted(),
        rate=body.rate or settings.redrive_rate_per_s,
        letters_max=body.max or settings.redrive_letters_max,
        actor=f"api {context.request_id}" if context is not None else "api",
        dry_run=body.dry_run,
    )
    wait_s = deadline.time_left(settings.redrive_wait_s + ANSWER_S) - ANSWER_S
    health = request.app.state.health
    run = await redrive_runs.begin_and_wait(resources, order, wait_s=wait_s, leaving=lambda: not health.ready)
    return letter_shapes.run_out(run)


def _run_id(text: str) -> UUID:
    found = _uuid_or_none(text)
    if found is None:
        raise RunNotFound
    return found


def _uuid_or_none(text: str) -> UUID | None:
    """What is no id names nothing. Only the canonical form: UUID() itself would take braces and URNs."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None
