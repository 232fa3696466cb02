"""The reconcile check finds what is wrong, and nothing else, while orders move."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import msgspec
from orders.domain.checks import Check
from orders.domain.saga import State
from orders.payments import payments_of
from orders.problems import InventoryUnavailable
from orders.usecases.reconcile import Books, reconcile

if TYPE_CHECKING:
    from tests.integration.orders_saga.conftest import Desk

NAMES = [
    "orders_have_one_state",
    "sagas_live",
    "outbox_age",
    "inbox_age",
    "charges_match_orders",
    "stock_conserved",
    "reservations_match_orders",
]


class Inventory:
    """What inventory would show."""

    def __init__(self) -> None:
        self.reservations: dict[str, str] = {}
        self.ok = True
        self.away = False

    async def read(self, path: str) -> bytes:
        if self.away:
            raise InventoryUnavailable
        if path.startswith("/v1/admin/reconcile"):
            check = {"name": "stock_adds_up", "ok": self.ok, "detail": "2 looked at"}
            return msgspec.json.encode({"ok": self.ok, "checks": [check]})
        query = dict(pair.split("=") for pair in path.partition("?")[2].split("&"))
        rest = sorted(item for item in self.reservations.items() if item[0] > query["after"])
        page = rest[: int(query["limit"])]
        following = page[-1][0] if len(rest) > len(page) else None
        items = [{"order_id": order_id, "state": state} for order_id, state in page]
        return msgspec.json.encode({"items": items, "next_after": following})


class Proof:
    def __init__(self, desk: "Desk", books: Books, inventory: Inventory) -> None:
        self.desk = desk
        self.books = books
        self.inventory = inventory

    async def checks(self, *, timeout_s: float = 25.0) -> dict[str, Check]:
        checks = await reconcile(self.books, timeout_s=timeout_s)
        assert [check.name for check in checks] == NAMES
        return {check.name: check for check in checks}

    async def wrong(self) -> set[str]:
        return {check.name for check in (await self.checks()).values() if not check.ok}

    async def ended(self, status: str, *, number: int = 1) -> list[str]:
        """Orders that have ended, with their reservations."""
        made = []
        for _ in range(number):
            order_id = await self.desk.brought_to(State.AUTHORISING)
            if status == "cancelled":
                await self.desk.cancel(order_id)
            await self.desk.goes_on(order_id)
            self.inventory.reservations[order_id] = "confirmed" if status == "completed" else "released"
            made.append(order_id)
        return made


@asynccontextmanager
async def proof(desk: "Desk", **changed: Any) -> AsyncIterator[Proof]:
    settings = desk.settings.model_copy(update=changed)
    inventory = Inventory()
    async with payments_of(settings) as payments:
        yield Proof(desk, Books(settings, desk.pool, payments, inventory), inventory)  # type: ignore[arg-type]


async def test_orders_in_every_state_are_found_in_order(desk: "Desk") -> None:
    async with proof(desk, reconcile_intents_page=2, reconcile_orders_page=2) as made:
        await made.ended("completed", number=5)
        await made.ended("cancelled", number=2)
        for state in (State.RESERVING, State.AUTHORISING, State.CONFIRMING, State.CAPTURING):
            moving = await desk.brought_to(state)
            made.inventory.reservations[moving] = "reserved"
        await desk.value("UPDATE sagas SET due_at = now() WHERE state <> 'done'")
        checks = await made.checks()
        assert all(check.ok for check in checks.values()), checks
        assert "8 payments read, 3 of orders that have not ended" in checks["charges_match_orders"].detail


async def test_an_order_with_two_ends_or_a_finished_saga_is_found(desk: "Desk") -> None:
    async with proof(desk) as made:
        [order_id] = await made.ended("completed")
        await desk.value("UPDATE sagas SET state = 'capturing', due_at = now() WHERE order_id = $1", order_id)
        assert await made.wrong() == {"orders_have_one_state"}
        await desk.value("UPDATE sagas SET state = 'done', due_at = NULL WHERE order_id = $1", order_id)
        assert await made.wrong() == set()
        await desk.value(
            """
            INSERT INTO order_timeline (order_id, version, status, event_id, at)
            VALUES ($1, 7, 'cancelled', gen_random_uuid(), now())
            """,
            order_id,
        )
        assert await made.wrong() == {"orders_have_one_state"}


async def test_a_saga_that_nobody_takes_up_is_found(desk: "Desk") -> None:
    async with proof(desk) as made:
        await desk.brought_to(State.AUTHORISING)
        checks = await made.checks()
        assert not checks["sagas_live"].ok, "it was due years ago"
        assert "authorising" in checks["sagas_live"].detail


async def test_money_that_was_taken_twice_kept_or_never_taken_is_found(desk: "Desk") -> None:
    async with proof(desk) as made:
        twice, unpaid = await made.ended("completed", number=2)
        [cancelled] = await made.ended("cancelled")
        assert await made.wrong() == set()
        intent = desk.far_end.one(twice)
        desk.far_end.intents["pi_999999"] = {**intent, "id": "pi_999999"}
        assert await made.wrong() == {"charges_match_orders"}
        del desk.far_end.intents["pi_999999"]
        other = await desk.brought_to(State.CONFIRMING)
        made.inventory.reservations[other] = "reserved"
        await desk.value("UPDATE sagas SET due_at = now() WHERE state <> 'done'")
        desk.far_end.intents["pi_999998"] = {**intent, "id": "pi_999998", "metadata": {"order_id": cancelled}}
        assert await made.wrong() == {"charges_match_orders"}
        del desk.far_end.intents["pi_999998"]
        kept = desk.far_end.one(unpaid)
        kept["latest_charge"]["amount_refunded"] = 1
        checks = await made.checks()
        assert "kept 699 eur, not 700 eur" in checks["charges_match_orders"].detail
        kept["latest_charge"]["amount_refunded"] = 0
        del desk.far_end.intents[kept["id"]]
        assert f"{unpaid} is completed" in (await made.checks())["charges_match_orders"].detail


async def test_what_moves_between_two_looks_is_looked_at_again(desk: "Desk") -> None:
    async with proof(desk) as made:
        order_id = await desk.brought_to(State.CAPTURING)
        made.inventory.reservations[order_id] = "confirmed"
        await desk.value("UPDATE sagas SET due_at = now()")
        read = made.books.payments.page_intents

        async def stale(after: str | None, *, limit: int) -> Any:
            page = await read(after, limit=limit)
            await desk.goes_on(order_id)
            return page

        with patch.object(made.books.payments, "page_intents", stale):
            assert await made.wrong() == set()


async def test_stock_that_is_kept_for_an_order_that_ended_is_found(desk: "Desk") -> None:
    async with proof(desk, reconcile_orders_page=1) as made:
        completed, *_ = await made.ended("completed", number=3)
        [cancelled] = await made.ended("cancelled")
        made.inventory.reservations[cancelled] = "reserved"
        assert await made.wrong() == {"reservations_match_orders"}
        made.inventory.reservations[cancelled] = "released"
        del made.inventory.reservations[completed]
        checks = await made.checks()
        assert (
            f"{completed} is completed, its reservation unknown" in checks["reservations_match_orders"].detail
        )


async def test_others_that_are_away_are_named_and_nothing_else_is_lost(desk: "Desk") -> None:
    async with proof(desk) as made:
        await made.ended("completed")
        made.inventory.away, desk.far_end.mood = True, "down"
        checks = await made.checks()
        assert {name for name, check in checks.items() if not check.ok} == {
            "charges_match_orders",
            "stock_conserved",
            "reservations_match_orders",
        }
        assert "payments cannot be read: APIError 503" in checks["charges_match_orders"].detail


async def test_a_reading_that_takes_too_long_says_how_far_it_came(desk: "Desk") -> None:
    async with proof(desk) as made:
        await made.ended("completed")
        desk.far_end.mood = "slow"
        checks = await made.checks(timeout_s=1.0)
        assert checks["charges_match_orders"].ok
        assert "there was no time for all" in checks["charges_match_orders"].detail
