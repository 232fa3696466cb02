"""/v1/orders: place, look at, list, cancel."""

from typing import Annotated, Any, Final

from chassis.once import Repeatable
from chassis.problems import problem_responses
from fastapi import APIRouter, Path, Query, Request, Response

from orders.api import cursors, shapes
from orders.api.access import CallingTenant, TenantOnly
from orders.api.drafts import draft_of
from orders.api.headers import IdempotencyKey, JsonBody
from orders.api.parameters import ALWAYS, WITH_BODY, WITH_KEY, Cursor, PageLimit
from orders.domain.orders import Status
from orders.problems import (
    AmountTooLarge,
    CursorInvalid,
    MixedCurrency,
    OrderFinished,
    OrderNotFound,
    UnknownSku,
)
from orders.schemas import CustomerId, OrderCreate, OrderOut, OrderPage
from orders.usecases import cancel as cancelling
from orders.usecases import orders as usecases

router = APIRouter(prefix="/v1/orders", tags=["orders"], dependencies=[TenantOnly])

OrderId = Annotated[str, Path(description="The order's `id`.", examples=["ord_01vQ3Zt5sLJ9XW0bC2dE4f"])]
_LOCATION: Final[dict[str, Any]] = {
    "Location": {"description": "Where to look at it.", "schema": {"type": "string"}}
}


@router.post(
    "",
    status_code=202,
    summary="Place an order",
    dependencies=[JsonBody],
    responses=problem_responses(*ALWAYS, *WITH_BODY, *WITH_KEY, UnknownSku, MixedCurrency, AmountTooLarge)
    | {202: {"model": OrderOut, "headers": _LOCATION}},
)
async def place_order(
    request: Request, tenant: CallingTenant, key: IdempotencyKey, body: OrderCreate
) -> Response:
    """Taken as soon as it is written down; its `status` tells how it ends. Safe to repeat under its key."""
    draft = draft_of(body, request.app.state.allowed_hosts)
    repeatable = Repeatable.of(
        f"tenant:{tenant.id}", key, "POST /v1/orders", body.model_dump(mode="json", exclude_none=True)
    )
    answer = await usecases.place_order(request.app.state.resources, tenant, draft, repeatable, shapes.placed)
    return shapes.answer_response(answer)


@router.get(
    "", summary="List orders", response_model=OrderPage, responses=problem_responses(*ALWAYS, CursorInvalid)
)
async def list_orders(
    request: Request,
    tenant: CallingTenant,
    limit: PageLimit = 50,
    cursor: Cursor = None,
    status: Annotated[Status | None, Query(description="A status, exactly.")] = None,
    customer_id: Annotated[CustomerId | None, Query(description="A customer, exactly.")] = None,
) -> Response:
    """Newest first. A cursor is good for the list it came from, with the same filters."""
    bound_to = ("orders", tenant.id, status, customer_id)
    before = cursors.decode(cursor, *bound_to)
    found, last = await usecases.list_orders(
        request.app.state.resources,
        tenant,
        before=before,
        limit=limit,
        status=status,
        customer_id=customer_id,
    )
    page = OrderPage.model_construct(
        items=[shapes.order_out(order, timeline) for order, timeline in found],
        next_cursor=cursors.encode(last, *bound_to),
    )
    return Response(page.model_dump_json(), media_type=shapes.JSON)


@router.get(
    "/{order_id}",
    summary="Get an order",
    response_model=OrderOut,
    responses=problem_responses(*ALWAYS, OrderNotFound),
)
async def get_order(request: Request, tenant: CallingTenant, order_id: OrderId) -> Response:
    """With its timeline: the last row of an order that has ended is its `status`."""
    order, timeline = await usecases.get_order(request.app.state.resources, tenant, order_id)
    return shapes.order_response(order, timeline)


@router.post(
    "/{order_id}/cancel",
    summary="Cancel an order",
    response_model=OrderOut,
    responses=problem_responses(*ALWAYS, OrderNotFound, OrderFinished)
    | {202: {"model": OrderOut, "description": "Accepted: it will end as cancelled."}},
)
async def cancel_order(request: Request, tenant: CallingTenant, order_id: OrderId) -> Response:
    """202 when this request is the first; 200 when the order is being cancelled, or already is.

    What was accepted holds: stock and money go back, and the order ends as cancelled.
    """
    order, timeline, accepted = await cancelling.cancel_order(request.app.state.resources, tenant, order_id)
    return shapes.order_response(order, timeline, 202 if accepted else 200)
