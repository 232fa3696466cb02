"""Rows of refunds, and the reservation of their amounts on the charge."""

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record
from chassis.postgres import Connection

from payments.dialect.lists import Page
from payments.domain.refunds import Refund, Refundable


async def lock_charge(conn: Connection, account_id: str, charge_id: str) -> Refundable | None:
    """Lock a captured charge: one refund at a time decides about the amount."""
    record = await conn.fetchrow(
        """
        SELECT id, payment_intent, bank_charge_id, amount_captured, amount_refunded, currency
        FROM charges
        WHERE account_id = $1 AND id = $2 AND captured
        FOR UPDATE
        """,
        account_id,
        charge_id,
    )
    return _refundable(record)


async def lock_charge_of_intent(conn: Connection, account_id: str, intent_id: str) -> Refundable | None:
    """Lock the captured charge of an intent, of which there is one at most."""
    record = await conn.fetchrow(
        """
        SELECT id, payment_intent, bank_charge_id, amount_captured, amount_refunded, currency
        FROM charges
        WHERE account_id = $1 AND payment_intent = $2 AND captured
        FOR UPDATE
        """,
        account_id,
        intent_id,
    )
    return _refundable(record)


async def charge_status(conn: Connection, account_id: str, charge_id: str) -> str | None:
    """Whether a charge that is not captured exists, "succeeded", or "failed"."""
    status: str | None = await conn.fetchval(
        "SELECT status FROM charges WHERE account_id = $1 AND id = $2", account_id, charge_id
    )
    return status


async def intent_exists(conn: Connection, account_id: str, intent_id: str) -> bool:
    found = await conn.fetchval(
        "SELECT true FROM payment_intents WHERE account_id = $1 AND id = $2", account_id, intent_id
    )
    return found is not None


async def reserve(conn: Connection, refund: Refund) -> None:
    """Insert a pending refund and take its amount from what is left of the locked charge."""
    await conn.execute(
        """
        WITH reserved AS (
            UPDATE charges SET amount_refunded = amount_refunded + $5 WHERE id = $3 AND account_id = $2
            RETURNING id
        )
        INSERT INTO refunds (
            id, account_id, charge, payment_intent, amount, currency, status, reason, metadata,
            created_at, updated_at
        )
        SELECT $1, $2, reserved.id, $4, $5, $6, $7, $8, $9, $10, $10 FROM reserved
        """,
        refund.id,
        refund.account_id,
        refund.charge,
        refund.payment_intent,
        refund.amount,
        refund.currency,
        refund.status,
        refund.reason,
        refund.metadata,
        refund.created_at,
    )


async def lock(conn: Connection, account_id: str, refund_id: str) -> Refund | None:
    """Lock the charge, then the refund: changes of a charge's refunds come in the order of their commits."""
    record = await conn.fetchrow(
        """
        SELECT r.id, r.account_id, r.charge, r.payment_intent, r.amount, r.currency, r.status, r.reason,
               r.failure_reason, r.metadata, r.bank_refund_id, r.balance_transaction,
               r.failure_balance_transaction, r.announced, r.version, r.created_at, r.updated_at
        FROM charges AS c JOIN refunds AS r ON r.charge = c.id
        WHERE r.account_id = $1 AND r.id = $2
        FOR UPDATE
        """,
        account_id,
        refund_id,
    )
    return _refund(record)


async def succeed(
    conn: Connection, refund_id: str, *, bank_refund_id: str, balance_transaction: str, at: datetime
) -> Refund:
    record = await conn.fetchrow(
        """
        UPDATE refunds
        SET status = 'succeeded', bank_refund_id = $2, balance_transaction = $3, announced = true,
            version = version + 1, updated_at = $4
        WHERE id = $1
        RETURNING id, account_id, charge, payment_intent, amount, currency, status, reason, failure_reason,
                  metadata, bank_refund_id, balance_transaction, failure_balance_transaction, announced,
                  version, created_at, updated_at
        """,
        refund_id,
        bank_refund_id,
        balance_transaction,
        at,
    )
    return _changed(record)


async def fail(
    conn: Connection,
    refund_id: str,
    *,
    bank_refund_id: str | None,
    failure_reason: str,
    balance_transaction: str,
    failure_balance_transaction: str,
    at: datetime,
) -> Refund:
    """Mark as failed and give the amount back to what is left of the charge."""
    record = await conn.fetchrow(
        """
        WITH freed AS (
            UPDATE charges SET amount_refunded = charges.amount_refunded - refunds.amount
            FROM refunds WHERE refunds.id = $1 AND charges.id = refunds.charge
        )
        UPDATE refunds
        SET status = 'failed', bank_refund_id = $2, failure_reason = $3, balance_transaction = $4,
            failure_balance_transaction = $5, announced = true, version = version + 1, updated_at = $6
        WHERE id = $1
        RETURNING id, account_id, charge, payment_intent, amount, currency, status, reason, failure_reason,
                  metadata, bank_refund_id, balance_transaction, failure_balance_transaction, announced,
                  version, created_at, updated_at
        """,
        refund_id,
        bank_refund_id,
        failure_reason,
        balance_transaction,
        failure_balance_transaction,
        at,
    )
    return _changed(record)


async def announce(conn: Connection, refund_id: str) -> Refund:
    """Note that refund.created was told while the outcome was unknown."""
    record = await conn.fetchrow(
        """
        UPDATE refunds SET announced = true
        WHERE id = $1
        RETURNING id, account_id, charge, payment_intent, amount, currency, status, reason, failure_reason,
                  metadata, bank_refund_id, balance_transaction, failure_balance_transaction, announced,
                  version, created_at, updated_at
        """,
        refund_id,
    )
    return _changed(record)


async def set_metadata(conn: Connection, refund_id: str, metadata: dict[str, str], at: datetime) -> Refund:
    record = await conn.fetchrow(
        """
        UPDATE refunds SET metadata = $2, version = version + 1, updated_at = $3
        WHERE id = $1
        RETURNING id, account_id, charge, payment_intent, amount, currency, status, reason, failure_reason,
                  metadata, bank_refund_id, balance_transaction, failure_balance_transaction, announced,
                  version, created_at, updated_at
        """,
        refund_id,
        metadata,
        at,
    )
    return _changed(record)


async def get(conn: Connection, account_id: str, refund_id: str) -> Refund | None:
    record = await conn.fetchrow(
        """
        SELECT id, account_id, charge, payment_intent, amount, currency, status, reason, failure_reason,
               metadata, bank_refund_id, balance_transaction, failure_balance_transaction, announced,
               version, created_at, updated_at
        FROM refunds WHERE account_id = $1 AND id = $2
        """,
        account_id,
        refund_id,
    )
    return _refund(record)


async def fetch_many(conn: Connection, account_id: str, ids: Sequence[str]) -> list[Refund]:
    records = await conn.fetch(
        """
        SELECT id, account_id, charge, payment_intent, amount, currency, status, reason, failure_reason,
               metadata, bank_refund_id, balance_transaction, failure_balance_transaction, announced,
               version, created_at, updated_at
        FROM refunds WHERE account_id = $1 AND id = ANY($2::text[])
        """,
        account_id,
        ids,
    )
    return [Refund(**record) for record in records]


_NEWER = """
    SELECT id, account_id, charge, payment_intent, amount, currency, status, reason, failure_reason,
           metadata, bank_refund_id, balance_transaction, failure_balance_transaction, announced,
           version, created_at, updated_at
    FROM refunds
    WHERE account_id = $1 AND id > $2 AND created_at >= $3 AND created_at < $4
    ORDER BY id LIMIT $5
"""
_OLDER = """
    SELECT id, account_id, charge, payment_intent, amount, currency, status, reason, failure_reason,
           metadata, bank_refund_id, balance_transaction, failure_balance_transaction, announced,
           version, created_at, updated_at
    FROM refunds
    WHERE account_id = $1 AND id < $2 AND created_at >= $3 AND created_at < $4
    ORDER BY id DESC LIMIT $5
"""
# Of a charge, an intent or both: their ids share no word, and few refunds have the same.
_NEWER_OF = """
    SELECT id, account_id, charge, payment_intent, amount, currency, status, reason, failure_reason,
           metadata, bank_refund_id, balance_transaction, failure_balance_transaction, announced,
           version, created_at, updated_at
    FROM refunds
    WHERE account_id = $1 AND id > $2 AND created_at >= $3 AND created_at < $4
      AND (charge = $6 OR payment_intent = $6) AND (charge = $7 OR payment_intent = $7)
    ORDER BY id LIMIT $5
"""
_OLDER_OF = """
    SELECT id, account_id, charge, payment_intent, amount, currency, status, reason, failure_reason,
           metadata, bank_refund_id, balance_transaction, failure_balance_transaction, announced,
           version, created_at, updated_at
    FROM refunds
    WHERE account_id = $1 AND id < $2 AND created_at >= $3 AND created_at < $4
      AND (charge = $6 OR payment_intent = $6) AND (charge = $7 OR payment_intent = $7)
    ORDER BY id DESC LIMIT $5
"""


async def page(conn: Connection, account_id: str, page: Page) -> list[Refund]:
    records = await conn.fetch(
        _NEWER if page.backwards else _OLDER,
        account_id,
        page.above if page.backwards else page.below,
        page.since,
        page.until,
        page.fetch,
    )
    return [Refund(**record) for record in records]


async def page_of(conn: Connection, account_id: str, page: Page, parents: tuple[str, str]) -> list[Refund]:
    """The refunds of both `parents`, each a charge's or an intent's id; the same twice for one filter."""
    records = await conn.fetch(
        _NEWER_OF if page.backwards else _OLDER_OF,
        account_id,
        page.above if page.backwards else page.below,
        page.since,
        page.until,
        page.fetch,
        *parents,
    )
    return [Refund(**record) for record in records]


def _refundable(record: Record | None) -> Refundable | None:
    return None if record is None else Refundable(**record)


def _refund(record: Record | None) -> Refund | None:
    return None if record is None else Refund(**record)


def _changed(record: Record | None) -> Refund:
    if record is None:
        raise LookupError("the refund that is locked is gone")
    return Refund(**record)
