"""From orders and products to the JSON that clients get."""

from collections.abc import Sequence
from typing import Final

from chassis.once import Answer
from fastapi import Response

from orders.domain.orders import Order
from orders.domain.products import Product
from orders.domain.stock import Stock
from orders.domain.timeline import Entry
from orders.schemas import LineOut, OrderOut, ProductOut, TimelineRow

JSON: Final = "application/json"


def order_out(order: Order, timeline: Sequence[Entry]) -> OrderOut:
    return OrderOut.model_construct(
        id=order.id,
        status=order.status,
        reason=order.reason,
        version=order.version,
        customer_id=order.customer_id,
        currency=order.currency,
        amount=order.amount,
        lines=[
            LineOut.model_construct(
                sku=line.sku, name=line.name, quantity=line.quantity, unit_price=line.unit_price
            )
            for line in order.lines
        ],
        payment_method=order.payment_method,
        email=order.notify.email,
        webhook_url=order.notify.webhook_url,
        cancel_requested=order.cancel_requested_at is not None,
        created_at=order.created_at,
        updated_at=order.updated_at,
        finished_at=order.finished_at,
        timeline=[
            TimelineRow.model_construct(status=entry.status, at=entry.at, event_id=entry.event_id)
            for entry in timeline
        ],
    )


def order_response(order: Order, timeline: Sequence[Entry], status: int = 200) -> Response:
    return Response(order_out(order, timeline).model_dump_json(), status, media_type=JSON)


def placed(order: Order, timeline: Sequence[Entry]) -> Answer:
    body = order_out(order, timeline).model_dump_json().encode()
    return Answer(202, body, {"Location": f"/v1/orders/{order.id}"})


def product_out(product: Product, stock: Stock) -> ProductOut:
    return ProductOut.model_construct(
        sku=product.sku,
        name=product.terms.name,
        unit_price=product.terms.unit_price,
        currency=product.terms.currency,
        available=stock.available,
        reserved=stock.reserved,
        sold=stock.sold,
        stock=stock.stock,
        created_at=product.created_at,
        updated_at=product.updated_at,
    )


def product_response(product: Product, stock: Stock) -> Response:
    return Response(product_out(product, stock).model_dump_json(), media_type=JSON)


def answer_response(answer: Answer) -> Response:
    """A stored answer goes out byte for byte; a header tells that it was given before."""
    headers = dict(answer.headers)
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(answer.body, answer.status, headers, JSON)
