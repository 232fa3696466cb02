"""What the use cases work with; built once in main and in worker."""

from dataclasses import dataclass
from datetime import UTC, datetime

from chassis.once import Once
from chassis.postgres import Pool

from orders.inventory import Inventory
from orders.settings import OrdersSettings


@dataclass(frozen=True, slots=True)
class Resources:
    settings: OrdersSettings
    db: Pool
    once: Once
    inventory: Inventory


def now() -> datetime:
    return datetime.now(UTC)
