"""Orders against payments: what was charged and not given back is what the completed ones cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chassis.postgres import Pool

from orders.domain.checks import Check, Owed, Paid, money_difference
from orders.domain.orders import Status
from orders.payments import Payments, PaymentsAway
from orders.settings import OrdersSettings
from orders.store import reconcile as store

NAME = "charges_match_orders"


@dataclass(slots=True)
class Reading:
    """What was found so far: it is good for a verdict at any moment."""

    seen: set[str] = field(default_factory=set)
    suspects: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    pending: int = 0
    complete: bool = False


class MoneyCheck:
    """Reads all of the account's payments, newest first, and then looks for orders that none of them paid.

    An order that has ended never moves again, so whatever differs is looked at once more: what then still
    differs is wrong, however much traffic there is.
    """

    def __init__(self, settings: OrdersSettings, db: Pool, payments: Payments) -> None:
        self._settings = settings
        self._db = db
        self._payments = payments
        self._reading = Reading()

    async def run(self, started: datetime) -> None:
        """Raises PaymentsAway."""
        await self._read()
        await self._look_again()
        await self._look_for_unpaid(started)
        self._reading.complete = True

    def verdict(self, away: str | None = None) -> Check:
        """Of what was read; `away` says why it is not all."""
        reading, most = self._reading, self._settings.reconcile_examples_max
        detail = f"{len(reading.seen)} payments read"
        if reading.pending:
            detail += f", {reading.pending} of orders that have not ended are not judged"
        if reading.wrong:
            detail += f"; {len(reading.wrong)} are wrong: {'; '.join(reading.wrong[:most])}"
        if not reading.complete and away is None:
            detail += "; there was no time for all: python -m orders.reconcile takes it"
        if away is not None:
            detail += f"; {away}"
        return Check(NAME, ok=not reading.wrong and away is None, detail=detail)

    async def _read(self) -> None:
        after, more = None, True
        while more and len(self._reading.seen) < self._settings.reconcile_intents_max:
            page, more = await self._payments.page_intents(after, limit=self._settings.reconcile_intents_page)
            await self._judge(page)
            after = page[-1]["id"] if page else None

    async def _judge(self, page: Sequence[Mapping[str, Any]]) -> None:
        paid = [one for intent in page if (one := paid_of(intent)) is not None]
        self._reading.seen.update(intent["id"] for intent in page)
        owed = await self._owed([one.order_id for one in paid])
        for one in paid:
            known = owed.get(one.order_id)
            self._reading.pending += known is not None and known.status is Status.PENDING
            if money_difference(one, known) is not None:
                self._reading.suspects.append(one.intent_id)

    async def _look_again(self) -> None:
        """The order first: it has ended, so the intent that is read after it is the last word."""
        reading, most = self._reading, self._settings.reconcile_rechecks_max
        for intent_id in reading.suspects[:most]:
            paid = paid_of(await self._payments.find_intent(intent_id))
            if paid is None:
                continue
            told = money_difference(paid, (await self._owed([paid.order_id])).get(paid.order_id))
            if told is not None:
                reading.wrong.append(told)
        reading.wrong += [f"{intent_id} differs" for intent_id in reading.suspects[most:]]

    async def _look_for_unpaid(self, started: datetime) -> None:
        """Orders that had completed before the reading began, and that no payment read is of."""
        after, page = "", self._settings.reconcile_orders_page
        while len(self._reading.wrong) < self._settings.reconcile_rechecks_max:
            async with self._db.acquire() as conn:
                rows = await store.completed(conn, after=after, until=started, limit=page)
            for row in rows:
                if row["intent_id"] not in self._reading.seen:
                    await self._look_for(row["order_id"], row["intent_id"])
            if len(rows) < page:
                return
            after = rows[-1]["order_id"]

    async def _look_for(self, order_id: str, intent_id: str | None) -> None:
        paid = None
        if intent_id is not None:
            try:
                paid = paid_of(await self._payments.find_intent(intent_id))
            except PaymentsAway as away:
                if not away.missing:
                    raise
        if paid is None or paid.order_id != order_id:
            self._reading.wrong.append(f"{order_id} is completed, and {intent_id} did not pay for it")

    async def _owed(self, order_ids: Sequence[str]) -> dict[str, Owed]:
        async with self._db.acquire() as conn:
            rows = await store.owed(conn, order_ids)
        return {
            row["order_id"]: Owed(
                row["order_id"], Status(row["status"]), row["amount"], row["currency"], row["intent_id"]
            )
            for row in rows
        }


def paid_of(intent: Mapping[str, Any]) -> Paid | None:
    """None for a payment that is of no order; an intent with its latest charge expanded."""
    order_id = (intent.get("metadata") or {}).get("order_id")
    if order_id is None:
        return None
    charge = intent.get("latest_charge")
    refunded = charge.get("amount_refunded", 0) if isinstance(charge, Mapping) else 0
    received = intent.get("amount_received") or 0
    return Paid(intent["id"], order_id, received - refunded if received else 0, intent["currency"])
