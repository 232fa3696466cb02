"""Balances and balance transactions: what the ledger says of an account's money."""

from collections.abc import Sequence
from typing import Any

from chassis.postgres import Connection

from payments.clock import Clock
from payments.dialect.calls import Call
from payments.dialect.errors import ResourceMissing
from payments.dialect.expand import Noun
from payments.dialect.lists import check_cursor, page_of, rendered_page
from payments.domain import balance_transactions as domain
from payments.domain import balances, ledger
from payments.domain.balance_transactions import BalanceTransaction
from payments.resources import Resources
from payments.store import balance_transactions as store

Document = dict[str, Any]


async def retrieve_balance(res: Resources, call: Call) -> Document:
    async with res.db.acquire() as conn:
        held = await store.held(conn, ledger.merchant(call.account.id), res.clock.now())
    return balances.render(held)


async def retrieve(res: Resources, call: Call) -> Document:
    """Raises ResourceMissing."""
    async with res.db.acquire() as conn:
        row = await store.get(conn, call.account.id, call.id)
    if row is None:
        raise ResourceMissing("balance transaction", call.id)
    return domain.render(row, res.clock.now())


async def list_transactions(res: Resources, call: Call) -> Document:
    """Newest first. Raises ResourceMissing: for a cursor, and for any payout, since there are none."""
    page, params = page_of(call), call.params
    if "payout" in params:
        raise ResourceMissing("payout", params["payout"], "payout")
    async with res.db.acquire() as conn:

        async def exists(transaction_id: str) -> bool:
            return await store.get(conn, call.account.id, transaction_id) is not None

        await check_cursor(page, "balance transaction", exists)
        rows = await store.page(
            conn,
            call.account.id,
            page,
            kind=params.get("type"),
            currency=params.get("currency"),
            source=params.get("source"),
        )
    now = res.clock.now()

    def shown(row: BalanceTransaction) -> Document:
        return domain.render(row, now)

    return rendered_page("/v1/balance_transactions", rows, page, shown)


def noun_of(clock: Clock) -> Noun:
    """By the clock: a balance transaction that is pending now is available later."""

    async def load(conn: Connection, account_id: str, ids: Sequence[str]) -> dict[str, Document]:
        now = clock.now()
        return {row.id: domain.render(row, now) for row in await store.fetch_many(conn, account_id, ids)}

    return Noun("balance_transaction", "txn", load, {"source": "charge|refund"})
