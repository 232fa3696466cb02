"""From the JSON of a request to the draft of an order: what pydantic cannot judge is judged here."""

from chassis import weburls
from chassis.problems import ValidationFailed
from chassis.weburls import Allowed, UrlRefused

from orders.domain.orders import Draft, Item, Notify
from orders.schemas import OrderCreate


def draft_of(body: OrderCreate, allowed: Allowed) -> Draft:
    """Raises ValidationFailed with a pointer to the field at fault. A SKU may stand in several lines."""
    webhook_url = body.webhook_url
    if webhook_url is not None:
        try:
            webhook_url = str(weburls.parse(webhook_url, allowed))
        except UrlRefused as error:
            fault = {"pointer": "/body/webhook_url", "detail": error.detail, "code": error.code}
            raise ValidationFailed("1 value is not valid.", errors=[fault]) from error
    return Draft(
        customer_id=body.customer_id,
        currency=body.currency,
        payment_method=body.payment_method,
        items=tuple(Item(line.sku, line.quantity) for line in body.lines),
        notify=Notify(body.email, webhook_url),
    )
