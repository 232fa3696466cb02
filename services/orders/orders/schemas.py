"""What clients send and get: the JSON of orders and products."""

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from chassis import weburls
from chassis.problems import Text
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictInt,
    StringConstraints,
)
from pydantic.json_schema import WithJsonSchema

from orders.domain import money
from orders.domain.orders import Status
from orders.domain.timeline import Step

LINES_MAX: Final = 100
QUANTITY_MAX: Final = 1_000
RECEIPT_MAX: Final = 1_000_000
STOCK_MAX: Final = 1_000_000_000
PRICE_MAX: Final = 99_999_999
EMAIL_LENGTH_MAX: Final = 254

_LINE_ENDS: Final = frozenset({"Cc", "Zl", "Zp"})

# As browsers judge it (WHATWG): nothing that could end a header line or begin a second address.
_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL: Final = rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL}){{0,20}}$"


def _currency(raw: str) -> str:
    code = raw.lower()
    if code not in money.CURRENCIES:
        raise ValueError("must be an ISO 4217 currency that can be charged")
    return code


def _one_line(raw: str) -> str:
    """Any script, joined emoji included; nothing that could begin another line in a mail or a log."""
    if not raw.strip() or any(unicodedata.category(char) in _LINE_ENDS for char in raw):
        raise ValueError("must be a line of text")
    return raw


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


Moment = Annotated[
    datetime,
    PlainSerializer(_shown, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2030-01-31T12:00:00.000000Z"]}),
]
Sku = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}$")]
CustomerId = Annotated[Text, StringConstraints(min_length=1, max_length=100), AfterValidator(_one_line)]
Name = Annotated[Text, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]
Currency = Annotated[
    Text, StringConstraints(pattern=r"^[A-Za-z]{3}$"), AfterValidator(_currency), Field(examples=["usd"])
]
PaymentMethod = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,255}$"), Field(examples=["pm_card_visa"])
]
Quantity = Annotated[StrictInt, Field(ge=1, le=QUANTITY_MAX)]
Email = Annotated[str, StringConstraints(max_length=EMAIL_LENGTH_MAX, pattern=_EMAIL)]
WebhookUrl = Annotated[Text, StringConstraints(min_length=1, max_length=weburls.LENGTH_MAX)]


class Model(BaseModel):
    """A request body: what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LineIn(Model):
    sku: Sku = Field(examples=["mug-blue"])
    quantity: Quantity


class OrderCreate(Model):
    """An order to place. A product stands in one line; `email` and `webhook_url` are told of the end."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "cust-42",
                    "currency": "usd",
                    "payment_method": "pm_card_visa",
                    "lines": [{"sku": "mug-blue", "quantity": 2}],
                },
                {
                    "customer_id": "cust-42",
                    "currency": "usd",
                    "payment_method": "pm_card_visa",
                    "lines": [{"sku": "mug-blue", "quantity": 2}, {"sku": "mug-red", "quantity": 1}],
                    "email": "ada@example.com",
                    "webhook_url": "https://shop.example.com/hooks/orders",
                },
            ],
        },
    )

    customer_id: CustomerId
    currency: Currency
    payment_method: PaymentMethod
    lines: Annotated[list[LineIn], Field(min_length=1, max_length=LINES_MAX)]
    email: Email | None = None
    webhook_url: WebhookUrl | None = None


class LineOut(BaseModel):
    sku: str
    name: str
    quantity: int
    unit_price: int = Field(description="Of one, in minor units, when the order was placed.")


class TimelineRow(BaseModel):
    status: Step
    at: Moment
    event_id: UUID = Field(description="The `ce_id` of the event that tells of it.")


class OrderOut(BaseModel):
    id: str = Field(examples=["ord_01vQ3Zt5sLJ9XW0bC2dE4f"])
    status: Status
    reason: str | None = Field(
        description="Why it was rejected: out_of_stock, payment_declined, payment_unavailable, "
        "reservation_expired, capture_failed."
    )
    version: int = Field(description="Grows by one with every row of the timeline.")
    customer_id: str
    currency: str
    amount: int = Field(description="In minor units: what the lines cost together.")
    lines: list[LineOut]
    payment_method: str
    email: str | None
    webhook_url: str | None
    cancel_requested: bool
    created_at: Moment
    updated_at: Moment
    finished_at: Moment | None
    timeline: list[TimelineRow]


class OrderPage(BaseModel):
    items: list[OrderOut]
    next_cursor: str | None


class ProductPut(Model):
    """A product as it is to be. `stock` is on the shelf and unsold, reserved units included."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Blue mug", "unit_price": 1200, "currency": "usd", "stock": 50}],
        },
    )

    name: Name
    unit_price: Annotated[StrictInt, Field(ge=1, le=PRICE_MAX, description="In minor units.")]
    currency: Currency
    stock: Annotated[StrictInt, Field(ge=0, le=STOCK_MAX)]


class ReceiptIn(Model):
    """Units that came in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"quantity": 25}]})

    quantity: Annotated[StrictInt, Field(ge=1, le=RECEIPT_MAX)]


class ProductOut(BaseModel):
    sku: str
    name: str
    unit_price: int = Field(description="In minor units.")
    currency: str
    available: int = Field(description="What can be ordered now.")
    reserved: int = Field(description="Held for orders on their way.")
    sold: int
    stock: int = Field(description="On the shelf and unsold: available and reserved.")
    created_at: Moment
    updated_at: Moment


class ProductPage(BaseModel):
    items: list[ProductOut]
    next_cursor: str | None
