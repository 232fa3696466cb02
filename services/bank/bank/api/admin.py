"""For operators and tests: switch a fault on and off, read the book."""

from typing import Annotated, Any

import msgspec
from chassis.problems import Forbidden, Unauthorized, problem_responses
from fastapi import APIRouter, Query, Request, Response

from bank.api.access import Operator
from bank.faults import Switch
from bank.problems import DatabaseAway
from bank.schemas import BookOut, FaultIn, FaultOut
from bank.usecases import charges as usecases

router = APIRouter(
    prefix="/admin",
    tags=["operator"],
    dependencies=[Operator],
    responses=problem_responses(Unauthorized, Forbidden),
)


@router.post("/faults", response_model=FaultOut)
async def set_fault(request: Request, body: FaultIn) -> dict[str, Any]:
    """The last one set is in force, until it is taken back or the process ends."""
    switch: Switch = request.app.state.switch
    switch.fault = body.fault()
    return FaultOut.of(switch.fault)


@router.get("/faults", response_model=FaultOut)
async def get_fault(request: Request) -> dict[str, Any]:
    return FaultOut.of(request.app.state.switch.fault)


@router.delete("/faults", status_code=204)
async def clear_fault(request: Request) -> None:
    request.app.state.switch.fault = None


@router.get("/book", responses=problem_responses(DatabaseAway) | {200: {"model": BookOut}})
async def read_book(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    starting_after: Annotated[str, Query(max_length=64, description="The last id of the page before.")] = "",
) -> Response:
    """Every charge, oldest first, with what was captured and refunded of it."""
    page, has_more = await usecases.read_book(
        request.app.state.resources, limit=limit, starting_after=starting_after
    )
    body = {"charges": [charge.rendered() for charge in page], "has_more": has_more}
    return Response(msgspec.json.encode(body), media_type="application/json")
