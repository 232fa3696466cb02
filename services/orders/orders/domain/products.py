"""What is for sale: the catalogue's half of a product."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Terms:
    """`unit_price` in minor units of `currency`."""

    name: str
    unit_price: int
    currency: str


@dataclass(frozen=True, slots=True)
class Product:
    sku: str
    terms: Terms
    created_at: datetime
    updated_at: datetime
