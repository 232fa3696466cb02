"""Events of orders as this service reads them: the ends of an order are told, its steps are not."""

from typing import Final

from notifications.domain.orders import Order

ORDER_CHANGED: Final = "orders.order-changed.v1"

TOLD: Final = {
    "orders.order-completed.v1": Order,
    "orders.order-rejected.v1": Order,
    "orders.order-cancelled.v1": Order,
}
UNTOLD: Final = frozenset({"orders.order-placed.v1", "orders.order-advanced.v1"})
