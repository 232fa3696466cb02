"""Orders against inventory: what completed orders bought is sold, and nothing is kept for the others."""

from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

import msgspec
from chassis.postgres import Pool

from orders.domain.checks import Check, stock_difference
from orders.domain.orders import Status
from orders.inventory import Inventory
from orders.settings import OrdersSettings
from orders.store import reconcile as store

STOCK = "stock_conserved"
RESERVATIONS = "reservations_match_orders"


class _Said(msgspec.Struct):
    name: str
    ok: bool
    detail: str


class _Verdict(msgspec.Struct):
    ok: bool
    checks: list[_Said]


class _Reservation(msgspec.Struct):
    order_id: str
    state: str


class _Page(msgspec.Struct):
    items: list[_Reservation]
    next_after: str | None = None


async def stock_conserved(inventory: Inventory) -> Check:
    """What inventory says of its own books. Raises InventoryUnavailable, msgspec.DecodeError."""
    said = msgspec.json.decode(await inventory.read("/v1/admin/reconcile"), type=_Verdict)
    wrong = [check for check in said.checks if not check.ok]
    told = wrong or said.checks
    return Check(STOCK, ok=said.ok, detail="; ".join(f"{check.name}: {check.detail}" for check in told))


@dataclass(slots=True)
class Reading:
    reservations: int = 0
    orders: int = 0
    suspects: dict[str, tuple[str, Status]] = field(default_factory=dict)  # by order: its page, its status
    wrong: list[str] = field(default_factory=list)
    complete: bool = False


class StockCheck:
    """Walks reservations and orders side by side, both in the order of ids."""

    def __init__(self, settings: OrdersSettings, db: Pool, inventory: Inventory) -> None:
        self._settings = settings
        self._db = db
        self._inventory = inventory
        self._reading = Reading()

    async def run(self, started: datetime) -> None:
        """Raises InventoryUnavailable, msgspec.DecodeError."""
        after: str | None = ""
        while after is not None:
            after = await self._compare_page(after, started)
        await self._look_again()
        self._reading.complete = True

    def verdict(self, away: str | None = None) -> Check:
        """Of what was read; `away` says why it is not all."""
        reading, most = self._reading, self._settings.reconcile_examples_max
        detail = f"{reading.reservations} reservations and {reading.orders} ended orders read"
        if reading.wrong:
            detail += f"; {len(reading.wrong)} are wrong: {'; '.join(reading.wrong[:most])}"
        if not reading.complete and away is None:
            detail += "; there was no time for all: python -m orders.reconcile takes it"
        if away is not None:
            detail += f"; {away}"
        return Check(RESERVATIONS, ok=not reading.wrong and away is None, detail=detail)

    async def _compare_page(self, after: str, started: datetime) -> str | None:
        """Where the next page of reservations begins."""
        page = await self._page(after)
        states = {one.order_id: one.state for one in page.items}
        self._reading.reservations += len(states)
        above, limit = after, self._settings.reconcile_orders_page
        while True:
            async with self._db.acquire() as conn:
                rows = await store.finished(
                    conn, after=above, last=page.next_after, until=started, limit=limit
                )
            self._reading.orders += len(rows)
            for row in rows:
                self._compare(row["id"], Status(row["status"]), states.get(row["id"]), page_after=after)
            if len(rows) < limit:
                return page.next_after
            above = rows[-1]["id"]

    def _compare(self, order_id: str, status: Status, state: str | None, *, page_after: str) -> None:
        told = stock_difference(order_id, status, state)
        if told is None:
            return
        if len(self._reading.suspects) < self._settings.reconcile_rechecks_max:
            self._reading.suspects[order_id] = (page_after, status)
        else:
            self._reading.wrong.append(told)

    async def _look_again(self) -> None:
        """Their orders had ended before the first look, so this one is the last word."""
        pages: dict[str, dict[str, str]] = {}
        for order_id, (after, status) in self._reading.suspects.items():
            if after not in pages:
                pages[after] = {one.order_id: one.state for one in (await self._page(after)).items}
            told = stock_difference(order_id, status, pages[after].get(order_id))
            if told is not None:
                self._reading.wrong.append(told)

    async def _page(self, after: str) -> _Page:
        limit = self._settings.reconcile_orders_page
        path = f"/v1/reservations?after={quote(after, safe='')}&limit={limit}"
        return msgspec.json.decode(await self._inventory.read(path), type=_Page)
