"""/v1/admin/faults: failures on purpose; the operator's alone, and only where they are switched on."""

from typing import Annotated

from chassis.kafka.faults import Fault
from chassis.problems import problem_responses
from fastapi import APIRouter, Query, Request

from orders.api.access import Operator
from orders.api.headers import JsonBody
from orders.api.parameters import ADMIN, WITH_BODY
from orders.letter_schemas import FaultIn, FaultList, FaultOut, FaultsCleared, Name
from orders.problems import FaultsDisabled, FaultsFull, FaultsUnavailable, GroupUnknown
from orders.usecases import faults as usecases

router = APIRouter(
    prefix="/v1/admin/faults",
    tags=["operator"],
    dependencies=[Operator],
    responses=problem_responses(*ADMIN, FaultsDisabled, FaultsUnavailable, GroupUnknown),
)

OfGroup = Annotated[Name | None, Query(description="Of one consumer group; of all when absent.")]


@router.post(
    "",
    status_code=201,
    summary="Make a consumer fail",
    dependencies=[JsonBody],
    responses=problem_responses(*WITH_BODY, FaultsFull, GroupUnknown),
)
async def put_fault(request: Request, body: FaultIn) -> FaultOut:
    """What fits fails from the next batch on, until the count is used up or the fault is taken away."""
    state = request.app.state
    fault = Fault(**body.model_dump())
    return _shown(await usecases.put(state.resources.settings, state.redis, fault))


@router.get("", summary="List faults")
async def list_faults(request: Request, group: OfGroup = None) -> FaultList:
    state = request.app.state
    found = await usecases.read(state.resources.settings, state.redis, group)
    return FaultList(items=[_shown(fault) for fault in found])


@router.delete("", summary="Take faults away")
async def clear_faults(request: Request, group: OfGroup = None) -> FaultsCleared:
    """What was parked goes on at its next attempt."""
    state = request.app.state
    return FaultsCleared(cleared=await usecases.clear(state.resources.settings, state.redis, group))


def _shown(fault: Fault) -> FaultOut:
    return FaultOut.model_validate(fault, from_attributes=True)
