"""Statements of the proof: each counts what it looked at, what is wrong, and gives a few examples."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from asyncpg import Record
from chassis.postgres import Connection

from payments.domain.proof import Held

LEDGER_TRANSACTIONS: Final = """
    WITH sums AS (
        SELECT t.id, e.currency, sum(e.amount) AS total
        FROM ledger_transactions AS t LEFT JOIN ledger_entries AS e ON e.transaction_id = t.id
        GROUP BY t.id, e.currency
    )
    SELECT count(*) AS checked, count(*) FILTER (WHERE total IS DISTINCT FROM 0) AS wrong,
           (array_agg(id || coalesce(' is ' || total || ' ' || currency, ' has no entries'))
            FILTER (WHERE total IS DISTINCT FROM 0))[1:$1] AS examples
    FROM sums
"""
LEDGER_CURRENCIES: Final = """
    WITH sums AS (SELECT currency, sum(amount) AS total FROM ledger_entries GROUP BY currency)
    SELECT count(*) AS checked, count(*) FILTER (WHERE total <> 0) AS wrong,
           (array_agg(total || ' ' || currency) FILTER (WHERE total <> 0))[1:$1] AS examples
    FROM sums
"""
BALANCE_TRANSACTIONS: Final = """
    WITH booked AS (
        SELECT transaction_id, max(currency) AS currency,
               coalesce(sum(amount) FILTER (WHERE account = 'bank_clearing'), 0) AS amount,
               -coalesce(sum(amount) FILTER (WHERE account = 'fees'), 0) AS fee,
               -coalesce(sum(amount) FILTER (WHERE account LIKE 'merchant:%'), 0) AS net,
               max(account) FILTER (WHERE account LIKE 'merchant:%') AS merchant
        FROM ledger_entries GROUP BY transaction_id
    ),
    compared AS (
        SELECT coalesce(b.id, e.transaction_id) AS id,
               (b.currency, b.amount, b.fee, b.net) IS NOT DISTINCT FROM (e.currency, e.amount, e.fee, e.net)
               AND coalesce(e.merchant, 'merchant:' || b.account_id) = 'merchant:' || b.account_id AS ok
        FROM balance_transactions AS b FULL JOIN booked AS e ON e.transaction_id = b.id
    )
    SELECT count(*) AS checked, count(*) FILTER (WHERE ok IS NOT TRUE) AS wrong,
           (array_agg(id) FILTER (WHERE ok IS NOT TRUE))[1:$1] AS examples
    FROM compared
"""
CHARGES: Final = """
    WITH compared AS (
        SELECT coalesce(c.id, b.source) AS id,
               (c.account_id, c.balance_transaction, c.amount_captured, c.currency)
               IS NOT DISTINCT FROM (b.account_id, b.id, b.amount, b.currency) AS ok
        FROM (
            SELECT id, account_id, balance_transaction, amount_captured, currency FROM charges WHERE captured
        ) AS c
        FULL JOIN (
            SELECT id, account_id, source, amount, currency FROM balance_transactions WHERE type = 'charge'
        ) AS b ON b.source = c.id
    )
    SELECT count(*) AS checked, count(*) FILTER (WHERE NOT ok) AS wrong,
           (array_agg(id) FILTER (WHERE NOT ok))[1:$1] AS examples
    FROM compared
"""
REFUNDS: Final = """
    WITH booked AS (
        SELECT source, min(id) FILTER (WHERE type = 'refund') AS paid,
               min(id) FILTER (WHERE type = 'refund_failure') AS returned,
               coalesce(-sum(amount) FILTER (WHERE type = 'refund'), 0) AS out,
               coalesce(sum(amount) FILTER (WHERE type = 'refund_failure'), 0) AS back,
               max(currency) AS currency
        FROM balance_transactions WHERE type <> 'charge' GROUP BY source
    ),
    compared AS (
        SELECT coalesce(r.id, b.source) AS id,
               r.balance_transaction IS NOT DISTINCT FROM b.paid
               AND r.failure_balance_transaction IS NOT DISTINCT FROM b.returned
               AND coalesce(b.currency, r.currency) = r.currency
               AND CASE r.status
                   WHEN 'pending' THEN b.source IS NULL AND EXISTS (
                       SELECT FROM bank_operations AS o
                       WHERE o.intent_id = r.payment_intent AND o.refund_id = r.id AND o.state <> 'done'
                   )
                   WHEN 'succeeded' THEN b.out = r.amount AND b.back = 0
                   ELSE b.out = r.amount AND b.back = r.amount
               END AS ok
        FROM refunds AS r FULL JOIN booked AS b ON b.source = r.id
    )
    SELECT count(*) AS checked, count(*) FILTER (WHERE ok IS NOT TRUE) AS wrong,
           (array_agg(id) FILTER (WHERE ok IS NOT TRUE))[1:$1] AS examples
    FROM compared
"""
CAPTURED_COVERS_REFUNDED: Final = """
    WITH compared AS (
        SELECT c.id,
               c.amount_refunded = coalesce(r.reserved, 0) AND c.amount_captured >= c.amount_refunded AS ok
        FROM charges AS c
        LEFT JOIN (
            SELECT charge, sum(amount) AS reserved FROM refunds WHERE status <> 'failed' GROUP BY charge
        ) AS r ON r.charge = c.id
    )
    SELECT count(*) AS checked, count(*) FILTER (WHERE NOT ok) AS wrong,
           (array_agg(id) FILTER (WHERE NOT ok))[1:$1] AS examples
    FROM compared
"""
INTENTS: Final = """
    WITH charged AS (
        SELECT payment_intent, count(*) FILTER (WHERE NOT voided) AS live,
               count(*) FILTER (WHERE captured) AS captured, sum(amount_captured) AS received,
               coalesce(sum(amount) FILTER (WHERE NOT captured AND NOT voided), 0) AS held
        FROM charges WHERE status = 'succeeded' GROUP BY payment_intent
    ),
    compared AS (
        SELECT i.id, coalesce(c.live, 0) <= 1
               AND i.amount_received = coalesce(c.received, 0)
               AND (coalesce(c.captured, 0) = 1) = (i.status = 'succeeded')
               AND CASE i.status
                   WHEN 'requires_capture' THEN i.amount_capturable = c.held
                   WHEN 'processing' THEN EXISTS (
                       SELECT FROM bank_operations AS o WHERE o.intent_id = i.id AND o.state <> 'done'
                   )
                   WHEN 'succeeded' THEN c.held = 0
                   ELSE coalesce(c.live, 0) = 0
               END AS ok
        FROM payment_intents AS i LEFT JOIN charged AS c ON c.payment_intent = i.id
    )
    SELECT count(*) AS checked, count(*) FILTER (WHERE ok IS NOT TRUE) AS wrong,
           (array_agg(id) FILTER (WHERE ok IS NOT TRUE))[1:$1] AS examples
    FROM compared
"""


async def check(conn: Connection, statement: str, examples: int, timeout_s: float) -> Record:
    """`checked`, `wrong` and `examples` of one of the statements above."""
    row = await conn.fetchrow(statement, examples, timeout=timeout_s)
    if row is None:
        raise LookupError("an aggregate always has a row")
    return row


async def allow(conn: Connection, timeout_s: float) -> None:
    """Of a statement in this transaction: the proof reads whole tables."""
    await conn.execute("SELECT set_config('statement_timeout', $1, true)", str(int(timeout_s * 1000)))


async def open_operations(conn: Connection, examples: int) -> list[Record]:
    """By kind and state, those whose end is not known here: how many, since when, a few ids."""
    return await conn.fetch(
        """
        SELECT kind, state, count(*) AS operations, min(created_at) AS since,
               (array_agg(id ORDER BY created_at))[1:$1] AS examples
        FROM bank_operations WHERE state <> 'done'
        GROUP BY kind, state ORDER BY kind, state
        """,
        examples,
    )


async def outbox(conn: Connection) -> tuple[int, datetime | None]:
    """How many events wait to leave, and since when the oldest."""
    row = await conn.fetchrow(
        """
        SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT 100000) AS queued) AS waiting,
               (SELECT created_at FROM outbox ORDER BY id LIMIT 1) AS since
        """
    )
    if row is None:
        raise LookupError("an aggregate always has a row")
    return row["waiting"], row["since"]


async def held(conn: Connection, bank_keys: Sequence[str]) -> dict[str, Held]:
    """What we hold of the authorisations with these keys, by key.

    LIMIT 1 keeps the planner at the unique indices: a page costs the same however long the book is.
    """
    rows = await conn.fetch(
        """
        SELECT o.bank_key, o.id AS operation,
               o.outcome -> 'document' ->> 'id' AS bank_charge_id,
               coalesce(c.amount, o.amount) AS amount,
               coalesce(c.amount_captured, 0) AS captured,
               coalesce(refunded.amount, 0)::bigint AS refunded,
               coalesce(c.currency, o.currency) AS currency,
               CASE
                   WHEN o.state <> 'done' THEN NULL
                   WHEN o.outcome ->> 'is' = 'declined' THEN 'declined'
                   WHEN c.captured THEN 'captured'
                   WHEN c.voided THEN 'voided'
                   WHEN c.status = 'succeeded' THEN 'authorised'
               END AS status,
               coalesce(open.operations, '{}') AS open
        FROM unnest($1::text[]) AS wanted (bank_key)
        CROSS JOIN LATERAL (
            SELECT id, bank_key, intent_id, state, amount, currency, outcome
            FROM bank_operations WHERE bank_key = wanted.bank_key AND kind = 'authorise' LIMIT 1
        ) AS o
        LEFT JOIN LATERAL (
            SELECT id, status, amount, amount_captured, currency, captured, voided
            FROM charges WHERE bank_charge_id = o.outcome -> 'document' ->> 'id' LIMIT 1
        ) AS c ON true
        LEFT JOIN LATERAL (
            SELECT sum(r.amount) AS amount FROM refunds AS r WHERE r.charge = c.id AND r.status = 'succeeded'
        ) AS refunded ON true
        LEFT JOIN LATERAL (
            SELECT array_agg(p.id ORDER BY p.id) AS operations
            FROM bank_operations AS p WHERE p.intent_id = o.intent_id AND p.state <> 'done'
        ) AS open ON true
        """,
        bank_keys,
    )
    return {row["bank_key"]: Held(**{**row, "open": tuple(row["open"])}) for row in rows}


async def charged_keys(conn: Connection, *, after: str, until: datetime, limit: int) -> list[str]:
    """Keys, in their order, of the authorisations that the bank had answered `until` then."""
    rows = await conn.fetch(
        """
        SELECT bank_key FROM bank_operations
        WHERE bank_key > $1 AND kind = 'authorise' AND state = 'done' AND updated_at <= $2
          AND outcome ->> 'is' IN ('done', 'declined')
        ORDER BY bank_key LIMIT $3
        """,
        after,
        until,
        limit,
    )
    return [row["bank_key"] for row in rows]
