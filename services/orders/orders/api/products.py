"""/v1/products: the catalogue, and how much of it there is."""

from typing import Annotated

from chassis.problems import problem_responses
from fastapi import APIRouter, Path, Request, Response

from orders.api import cursors, shapes
from orders.api.access import CallingTenant, TenantOnly
from orders.api.headers import IdempotencyKey, JsonBody
from orders.api.parameters import ALWAYS, WITH_BODY, WITH_KEY, Cursor, PageLimit
from orders.domain.products import Terms
from orders.problems import CursorInvalid, InventoryUnavailable, ProductNotFound, StockBelowReserved
from orders.schemas import ProductOut, ProductPage, ProductPut, ReceiptIn, Sku
from orders.usecases import products as usecases

router = APIRouter(prefix="/v1/products", tags=["products"], dependencies=[TenantOnly])

# Of a product to be made; what names none is simply not found.
NewSku = Annotated[Sku, Path(description="Your own name for it.", examples=["mug-blue"])]
KnownSku = Annotated[str, Path(description="The product's `sku`.", examples=["mug-blue"])]


@router.put(
    "/{sku}",
    summary="Create or change a product",
    dependencies=[JsonBody],
    response_model=ProductOut,
    responses=problem_responses(*ALWAYS, *WITH_BODY, StockBelowReserved, InventoryUnavailable),
)
async def put_product(request: Request, tenant: CallingTenant, sku: NewSku, body: ProductPut) -> Response:
    """All of it, as it is to be: a repeat changes nothing. Orders on their way keep name and price."""
    terms = Terms(body.name, body.unit_price, body.currency)
    product, stock = await usecases.put_product(request.app.state.resources, tenant, sku, terms, body.stock)
    return shapes.product_response(product, stock)


@router.get(
    "",
    summary="List products",
    response_model=ProductPage,
    responses=problem_responses(*ALWAYS, CursorInvalid, InventoryUnavailable),
)
async def list_products(
    request: Request, tenant: CallingTenant, limit: PageLimit = 50, cursor: Cursor = None
) -> Response:
    """In the order of their SKUs, with the stock of this moment."""
    bound_to = ("products", tenant.id)
    after = cursors.decode(cursor, *bound_to)
    found, last = await usecases.list_products(request.app.state.resources, tenant, after=after, limit=limit)
    page = ProductPage.model_construct(
        items=[shapes.product_out(product, stock) for product, stock in found],
        next_cursor=cursors.encode(last, *bound_to),
    )
    return Response(page.model_dump_json(), media_type=shapes.JSON)


@router.get(
    "/{sku}",
    summary="Get a product",
    response_model=ProductOut,
    responses=problem_responses(*ALWAYS, ProductNotFound, InventoryUnavailable),
)
async def get_product(request: Request, tenant: CallingTenant, sku: KnownSku) -> Response:
    """With the stock of this moment."""
    product, stock = await usecases.get_product(request.app.state.resources, tenant, sku)
    return shapes.product_response(product, stock)


@router.post(
    "/{sku}/receipts",
    summary="Add to the stock",
    dependencies=[JsonBody],
    response_model=ProductOut,
    responses=problem_responses(*ALWAYS, *WITH_BODY, *WITH_KEY, ProductNotFound, InventoryUnavailable),
)
async def receive_units(
    request: Request, tenant: CallingTenant, sku: KnownSku, key: IdempotencyKey, body: ReceiptIn
) -> Response:
    """Once a key: a repeat answers with the stock that the first one led to."""
    product, stock, replayed = await usecases.receive_units(
        request.app.state.resources, tenant, sku, body.quantity, key
    )
    answer = shapes.product_response(product, stock)
    if replayed:
        answer.headers["Idempotent-Replayed"] = "true"
    return answer
