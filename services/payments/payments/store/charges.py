"""Rows of charges, always of one account; refunds count on them in store/refunds.py."""

from collections.abc import Sequence

from asyncpg import Record
from chassis.postgres import Connection

from payments.dialect.lists import Page
from payments.domain.charges import Charge


async def insert(conn: Connection, row: Charge) -> None:
    await conn.execute(
        """
        INSERT INTO charges (
            id, account_id, payment_intent, bank_charge_id, status, amount, amount_captured,
            amount_refunded, currency, captured, voided, customer, payment_method, payment_method_details,
            billing_details, outcome, failure_code, failure_message, balance_transaction, metadata,
            details, created_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        $21, $22)
        """,
        row.id,
        row.account_id,
        row.payment_intent,
        row.bank_charge_id,
        row.status,
        row.amount,
        row.amount_captured,
        row.amount_refunded,
        row.currency,
        row.captured,
        row.voided,
        row.customer,
        row.payment_method,
        row.payment_method_details,
        row.billing_details,
        row.outcome,
        row.failure_code,
        row.failure_message,
        row.balance_transaction,
        row.metadata,
        row.details,
        row.created_at,
    )


async def capture(conn: Connection, row: Charge) -> None:
    await conn.execute(
        """
        UPDATE charges SET captured = true, amount_captured = $3, balance_transaction = $4
        WHERE account_id = $1 AND id = $2
        """,
        row.account_id,
        row.id,
        row.amount_captured,
        row.balance_transaction,
    )


async def void(conn: Connection, account_id: str, charge_id: str) -> None:
    await conn.execute(
        "UPDATE charges SET voided = true WHERE account_id = $1 AND id = $2", account_id, charge_id
    )


async def describe(conn: Connection, row: Charge) -> None:
    """Write what its owner may change."""
    await conn.execute(
        """
        UPDATE charges SET customer = $3, metadata = $4, details = $5
        WHERE account_id = $1 AND id = $2
        """,
        row.account_id,
        row.id,
        row.customer,
        row.metadata,
        row.details,
    )


async def get(conn: Connection, account_id: str, charge_id: str) -> Charge | None:
    return _read(
        await conn.fetchrow(
            """
            SELECT id, account_id, payment_intent, bank_charge_id, status, amount, amount_captured,
                   amount_refunded, currency, captured, voided, customer, payment_method,
                   payment_method_details, billing_details, outcome, failure_code, failure_message,
                   balance_transaction, metadata, details, created_at
            FROM charges
            WHERE account_id = $1 AND id = $2
            """,
            account_id,
            charge_id,
        )
    )


async def lock(conn: Connection, account_id: str, charge_id: str) -> Charge | None:
    return _read(
        await conn.fetchrow(
            """
            SELECT id, account_id, payment_intent, bank_charge_id, status, amount, amount_captured,
                   amount_refunded, currency, captured, voided, customer, payment_method,
                   payment_method_details, billing_details, outcome, failure_code, failure_message,
                   balance_transaction, metadata, details, created_at
            FROM charges
            WHERE account_id = $1 AND id = $2
            FOR NO KEY UPDATE
            """,
            account_id,
            charge_id,
        )
    )


async def fetch_many(conn: Connection, account_id: str, ids: Sequence[str]) -> list[Charge]:
    """Those of the ids that the account has."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, payment_intent, bank_charge_id, status, amount, amount_captured,
               amount_refunded, currency, captured, voided, customer, payment_method,
               payment_method_details, billing_details, outcome, failure_code, failure_message,
               balance_transaction, metadata, details, created_at
        FROM charges
        WHERE account_id = $1 AND id = ANY($2::text[])
        """,
        account_id,
        ids,
    )
    return [_row(row) for row in rows]


async def exists(conn: Connection, account_id: str, charge_id: str) -> bool:
    found = await conn.fetchval(
        "SELECT true FROM charges WHERE account_id = $1 AND id = $2", account_id, charge_id
    )
    return found is not None


async def page(conn: Connection, account_id: str, page: Page) -> list[Charge]:
    """Newest first; the other way round when the page goes backwards."""
    if page.backwards:
        rows = await conn.fetch(
            """
            SELECT id, account_id, payment_intent, bank_charge_id, status, amount, amount_captured,
                   amount_refunded, currency, captured, voided, customer, payment_method,
                   payment_method_details, billing_details, outcome, failure_code, failure_message,
                   balance_transaction, metadata, details, created_at
            FROM charges
            WHERE account_id = $1 AND id > $2 AND created_at >= $3 AND created_at < $4
            ORDER BY id
            LIMIT $5
            """,
            account_id,
            page.above,
            page.since,
            page.until,
            page.fetch,
        )
    else:
        rows = await conn.fetch(
            """
            SELECT id, account_id, payment_intent, bank_charge_id, status, amount, amount_captured,
                   amount_refunded, currency, captured, voided, customer, payment_method,
                   payment_method_details, billing_details, outcome, failure_code, failure_message,
                   balance_transaction, metadata, details, created_at
            FROM charges
            WHERE account_id = $1 AND id < $2 AND created_at >= $3 AND created_at < $4
            ORDER BY id DESC
            LIMIT $5
            """,
            account_id,
            page.below,
            page.since,
            page.until,
            page.fetch,
        )
    return [_row(row) for row in rows]


async def page_of_customer(conn: Connection, account_id: str, customer: str, page: Page) -> list[Charge]:
    """As `page`."""
    if page.backwards:
        rows = await conn.fetch(
            """
            SELECT id, account_id, payment_intent, bank_charge_id, status, amount, amount_captured,
                   amount_refunded, currency, captured, voided, customer, payment_method,
                   payment_method_details, billing_details, outcome, failure_code, failure_message,
                   balance_transaction, metadata, details, created_at
            FROM charges
            WHERE account_id = $1 AND customer = $2 AND id > $3 AND created_at >= $4 AND created_at < $5
            ORDER BY id
            LIMIT $6
            """,
            account_id,
            customer,
            page.above,
            page.since,
            page.until,
            page.fetch,
        )
    else:
        rows = await conn.fetch(
            """
            SELECT id, account_id, payment_intent, bank_charge_id, status, amount, amount_captured,
                   amount_refunded, currency, captured, voided, customer, payment_method,
                   payment_method_details, billing_details, outcome, failure_code, failure_message,
                   balance_transaction, metadata, details, created_at
            FROM charges
            WHERE account_id = $1 AND customer = $2 AND id < $3 AND created_at >= $4 AND created_at < $5
            ORDER BY id DESC
            LIMIT $6
            """,
            account_id,
            customer,
            page.below,
            page.since,
            page.until,
            page.fetch,
        )
    return [_row(row) for row in rows]


async def page_of_intent(conn: Connection, account_id: str, payment_intent: str, page: Page) -> list[Charge]:
    """As `page`."""
    if page.backwards:
        rows = await conn.fetch(
            """
            SELECT id, account_id, payment_intent, bank_charge_id, status, amount, amount_captured,
                   amount_refunded, currency, captured, voided, customer, payment_method,
                   payment_method_details, billing_details, outcome, failure_code, failure_message,
                   balance_transaction, metadata, details, created_at
            FROM charges
            WHERE account_id = $1 AND payment_intent = $2 AND id > $3 AND created_at >= $4 AND created_at
              < $5
            ORDER BY id
            LIMIT $6
            """,
            account_id,
            payment_intent,
            page.above,
            page.since,
            page.until,
            page.fetch,
        )
    else:
        rows = await conn.fetch(
            """
            SELECT id, account_id, payment_intent, bank_charge_id, status, amount, amount_captured,
                   amount_refunded, currency, captured, voided, customer, payment_method,
                   payment_method_details, billing_details, outcome, failure_code, failure_message,
                   balance_transaction, metadata, details, created_at
            FROM charges
            WHERE account_id = $1 AND payment_intent = $2 AND id < $3 AND created_at >= $4 AND created_at
              < $5
            ORDER BY id DESC
            LIMIT $6
            """,
            account_id,
            payment_intent,
            page.below,
            page.since,
            page.until,
            page.fetch,
        )
    return [_row(row) for row in rows]


def _read(row: Record | None) -> Charge | None:
    return None if row is None else _row(row)


def _row(row: Record) -> Charge:
    # The columns stand in the order of the fields.
    return Charge(*row)
