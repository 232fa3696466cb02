"""Reservations, for whoever compares them with the orders."""

from typing import Annotated

from chassis.problems import Text, Unauthorized, problem_responses
from fastapi import APIRouter, Query, Request

from inventory.api.access import Caller
from inventory.problems import DatabaseAway
from inventory.schemas import PAGE_MAX, ReservationOut, ReservationPage
from inventory.usecases import reservations as usecases

router = APIRouter(
    prefix="/v1/reservations",
    tags=["reservations"],
    dependencies=[Caller],
    responses=problem_responses(Unauthorized, DatabaseAway),
)


@router.get("")
async def list_reservations(
    request: Request,
    after: Annotated[Text, Query(max_length=100, description="`next_after` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
) -> ReservationPage:
    """Of all tenants, in the order of their orders' ids."""
    found, next_after = await usecases.list_reservations(
        request.app.state.resources, after=after, limit=limit
    )
    items = [ReservationOut(order_id=order_id, state=state) for order_id, state in found]
    return ReservationPage(items=items, next_after=next_after)
