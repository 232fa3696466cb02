"""Balance transactions and balances, read from the ledger."""

from collections.abc import Sequence
from datetime import datetime

from chassis.postgres import Connection

from payments.dialect.lists import Page
from payments.domain.balance_transactions import BalanceTransaction
from payments.domain.balances import Held


async def get(conn: Connection, account_id: str, transaction_id: str) -> BalanceTransaction | None:
    record = await conn.fetchrow(
        """
        SELECT id, account_id, type, source, amount, fee, net, currency, description, available_on, created_at
        FROM balance_transactions WHERE account_id = $1 AND id = $2
        """,
        account_id,
        transaction_id,
    )
    return None if record is None else BalanceTransaction(**record)


async def fetch_many(conn: Connection, account_id: str, ids: Sequence[str]) -> list[BalanceTransaction]:
    records = await conn.fetch(
        """
        SELECT id, account_id, type, source, amount, fee, net, currency, description, available_on, created_at
        FROM balance_transactions WHERE account_id = $1 AND id = ANY($2::text[])
        """,
        account_id,
        ids,
    )
    return [BalanceTransaction(**record) for record in records]


_NEWER = """
    SELECT id, account_id, type, source, amount, fee, net, currency, description, available_on, created_at
    FROM balance_transactions
    WHERE account_id = $1 AND id > $2 AND created_at >= $3 AND created_at < $4
      AND ($6::text IS NULL OR type = $6) AND ($7::text IS NULL OR currency = $7)
    ORDER BY id LIMIT $5
"""
_OLDER = """
    SELECT id, account_id, type, source, amount, fee, net, currency, description, available_on, created_at
    FROM balance_transactions
    WHERE account_id = $1 AND id < $2 AND created_at >= $3 AND created_at < $4
      AND ($6::text IS NULL OR type = $6) AND ($7::text IS NULL OR currency = $7)
    ORDER BY id DESC LIMIT $5
"""
_NEWER_OF = """
    SELECT id, account_id, type, source, amount, fee, net, currency, description, available_on, created_at
    FROM balance_transactions
    WHERE account_id = $1 AND id > $2 AND created_at >= $3 AND created_at < $4
      AND ($6::text IS NULL OR type = $6) AND ($7::text IS NULL OR currency = $7) AND source = $8
    ORDER BY id LIMIT $5
"""
_OLDER_OF = """
    SELECT id, account_id, type, source, amount, fee, net, currency, description, available_on, created_at
    FROM balance_transactions
    WHERE account_id = $1 AND id < $2 AND created_at >= $3 AND created_at < $4
      AND ($6::text IS NULL OR type = $6) AND ($7::text IS NULL OR currency = $7) AND source = $8
    ORDER BY id DESC LIMIT $5
"""


async def page(
    conn: Connection,
    account_id: str,
    page: Page,
    *,
    kind: str | None = None,
    currency: str | None = None,
    source: str | None = None,
) -> list[BalanceTransaction]:
    bounds = (account_id, page.above if page.backwards else page.below, page.since, page.until, page.fetch)
    if source is None:
        records = await conn.fetch(_NEWER if page.backwards else _OLDER, *bounds, kind, currency)
    else:
        records = await conn.fetch(
            _NEWER_OF if page.backwards else _OLDER_OF, *bounds, kind, currency, source
        )
    return [BalanceTransaction(**record) for record in records]


async def held(conn: Connection, account: str, now: datetime) -> list[Held]:
    """What we owe a ledger account, by currency."""
    records = await conn.fetch(
        """
        SELECT currency,
               -coalesce(sum(amount) FILTER (WHERE available_on <= $2), 0)::bigint AS available,
               -coalesce(sum(amount) FILTER (WHERE available_on > $2), 0)::bigint AS pending
        FROM ledger_entries WHERE account = $1
        GROUP BY currency ORDER BY currency
        """,
        account,
        now,
    )
    return [Held(**record) for record in records]
