"""How much of a product there is, as inventory tells it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stock:
    """`stock` is on the shelf and unsold: available and reserved. `version` grows with every change."""

    available: int
    reserved: int
    sold: int
    stock: int
    version: int


NONE = Stock(available=0, reserved=0, sold=0, stock=0, version=0)
