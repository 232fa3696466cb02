"""The shelf: set what a count found, add what came in, look."""

from typing import Annotated, Any

from chassis.problems import Text, Unauthorized, problem_responses
from fastapi import APIRouter, Path, Query, Request, Response

from inventory.api.access import Caller, IdempotencyKey
from inventory.domain.stock import Level, Place
from inventory.problems import (
    DatabaseAway,
    KeyInFlight,
    KeyInvalid,
    KeyMissing,
    KeyReused,
    StockBelowReserved,
    StockNotFound,
)
from inventory.schemas import PAGE_MAX, ReceiptIn, StockIn, StockOut, StockPage
from inventory.usecases import stock as usecases

router = APIRouter(
    prefix="/v1/tenants/{tenant}/stock",
    tags=["stock"],
    dependencies=[Caller],
    responses=problem_responses(Unauthorized, DatabaseAway),
)

Tenant = Annotated[Text, Path(min_length=1, max_length=64)]
Sku = Annotated[Text, Path(min_length=1, max_length=100)]


@router.put("/{sku}", responses=problem_responses(StockBelowReserved))
async def set_stock(request: Request, tenant: Tenant, sku: Sku, body: StockIn) -> StockOut:
    """What stands on the shelf, absolute. A SKU that is not known yet becomes so."""
    level = await usecases.set_stock(request.app.state.resources, Place(tenant, sku), body.stock)
    return StockOut(**usecases.rendered(sku, level))


@router.post(
    "/{sku}/receipts",
    responses=problem_responses(StockNotFound, KeyMissing, KeyInvalid, KeyReused, KeyInFlight)
    | {200: {"model": StockOut}},
)
async def receive(
    request: Request, tenant: Tenant, sku: Sku, body: ReceiptIn, key: IdempotencyKey
) -> Response:
    """Adds to the shelf, once a key."""
    answer = await usecases.receive(request.app.state.resources, Place(tenant, sku), body.quantity, key=key)
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else None
    return Response(answer.body, answer.status, headers, "application/json")


@router.get("")
async def list_stock(
    request: Request,
    tenant: Tenant,
    sku: Annotated[
        list[Text] | None, Query(max_length=PAGE_MAX, description="These only; those that exist are told.")
    ] = None,
    after: Annotated[Text, Query(max_length=100, description="`next_after` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
) -> StockPage:
    """By SKU, in their order."""
    res = request.app.state.resources
    if sku is not None:
        return _page(await usecases.find(res, tenant, sku), next_after=None)
    levels, next_after = await usecases.list_stock(res, tenant, after=after, limit=limit)
    return _page(levels, next_after=next_after)


def _page(levels: list[tuple[str, Level]], *, next_after: str | None) -> StockPage:
    items: list[dict[str, Any]] = [usecases.rendered(sku, level) for sku, level in levels]
    return StockPage(items=[StockOut(**item) for item in items], next_after=next_after)
