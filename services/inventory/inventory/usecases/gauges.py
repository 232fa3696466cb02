"""What the shelf looks like to a dashboard; every worker tells the same."""

from chassis import metrics

from inventory.resources import Resources
from inventory.store import reservations, stock

_HELD = metrics.gauge("inventory_reservations_held", "Reservations that wait to be confirmed.")
_UNITS = metrics.gauge("inventory_stock_units", "Units on the shelf, promised of it, and sold.", ("kind",))
_OVERSOLD = metrics.gauge(
    "inventory_oversold", "Units that were promised or sold and never came in: 0, or something is broken."
)


async def report(res: Resources) -> None:
    async with res.db.acquire() as conn:
        held = await reservations.count_held(conn)
        units = await stock.units(conn)
    _HELD.set(held)
    _UNITS.labels("on_hand").set(units.on_hand)
    _UNITS.labels("reserved").set(units.reserved)
    _UNITS.labels("sold").set(units.sold)
    _OVERSOLD.set(units.oversold)
