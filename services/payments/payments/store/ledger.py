"""The append-only ledger: postings, balances, and the balance transactions a merchant sees."""

from chassis.postgres import Connection

from payments.domain.ledger import Posting


async def post(conn: Connection, posting: Posting) -> None:
    """Insert transaction, entries and balance transaction; the database checks the sum at commit."""
    entries = posting.entries
    await conn.execute(
        """
        WITH due AS (
            SELECT greatest(
                $10::timestamptz,
                (SELECT max(available_on) FROM balance_transactions WHERE source = $11 AND type = 'charge')
            ) AS available_on
        ),
        header AS (
            INSERT INTO ledger_transactions (id, account_id, kind, source, posted_at)
            VALUES ($1, $2, $3, $4, $9)
            RETURNING id
        ),
        entries AS (
            INSERT INTO ledger_entries (transaction_id, account, amount, currency, available_on)
            SELECT header.id, entry.account, entry.amount, $8, due.available_on
            FROM header, due, unnest($13::text[], $14::bigint[]) AS entry (account, amount)
        )
        INSERT INTO balance_transactions (
            id, account_id, type, source, amount, fee, net, currency, description, available_on, created_at
        )
        SELECT header.id, $2, $3, $4, $5, $6, $7, $8, $12, due.available_on, $9
        FROM header, due
        """,
        posting.id,
        posting.account_id,
        posting.kind,
        posting.source,
        posting.amount,
        posting.fee,
        posting.net,
        posting.currency,
        posting.at,
        posting.available_on,
        posting.available_with,
        posting.description,
        [entry.account for entry in entries],
        [entry.amount for entry in entries],
    )
