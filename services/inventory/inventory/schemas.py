"""What orders sends and gets, as JSON."""

from typing import Annotated, Final

from chassis.problems import Text
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from inventory.domain.reservations import State

QUANTITY_MAX: Final = 1_000_000_000
PAGE_MAX: Final = 1_000

Quantity = Annotated[StrictInt, Field(le=QUANTITY_MAX)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StockIn(_In):
    stock: Quantity = Field(ge=0, description="On the shelf and unsold, what is reserved included.")


class ReceiptIn(_In):
    quantity: Quantity = Field(ge=1)


class StockOut(BaseModel):
    sku: Text
    available: int = Field(description="`stock` less `reserved`: what the next order may have.")
    reserved: int
    sold: int
    stock: int = Field(description="On the shelf and unsold.")
    version: int = Field(description="Grows with every change of the row.")


class StockPage(BaseModel):
    items: list[StockOut]
    next_after: str | None = Field(description="`after` of the next page; null on the last.")


class ReservationOut(BaseModel):
    order_id: str
    state: State


class ReservationPage(BaseModel):
    items: list[ReservationOut]
    next_after: str | None = Field(description="`after` of the next page; null on the last.")


class CheckOut(BaseModel):
    name: str
    ok: bool
    detail: str = Field(description="How much was looked at, or what is wrong.")


class ReconcileOut(BaseModel):
    ok: bool
    checks: list[CheckOut]
