"""From the JSON of a request to the draft of an order: what pydantic cannot judge is judged here."""

from chassis import weburls
from chassis.problems import ValidationFailed
from chassis.weburls import Allowed, UrlRefused

from orders.domain.orders import Draft, Item, Notify
from orders.schemas import OrderCreate


def draft_of(body: OrderCreate, allowed: Allowed) -> Draft:
    """Raises ValidationFailed with a pointer to each field at fault."""
    errors = _doubled(body)
    webhook_url = body.webhook_url
    if webhook_url is not None:
        try:
            webhook_url = str(weburls.parse(webhook_url, allowed))
        except UrlRefused as error:
            errors.append({"pointer": "/body/webhook_url", "detail": error.detail, "code": error.code})
    if errors:
        noun = "value is" if len(errors) == 1 else "values are"
        raise ValidationFailed(f"{len(errors)} {noun} not valid.", errors=errors)
    return Draft(
        customer_id=body.customer_id,
        currency=body.currency,
        payment_method=body.payment_method,
        items=tuple(Item(line.sku, line.quantity) for line in body.lines),
        notify=Notify(body.email, webhook_url),
    )


def _doubled(body: OrderCreate) -> list[dict[str, str]]:
    """A product in two lines is a slip more often than a wish: the client adds up, and knows that it did."""
    seen: set[str] = set()
    errors = []
    for number, line in enumerate(body.lines):
        if line.sku in seen:
            errors.append(
                {
                    "pointer": f"/body/lines/{number}/sku",
                    "detail": "This product already stands in a line.",
                    "code": "sku_repeated",
                }
            )
        seen.add(line.sku)
    return errors
