"""The ledger's own rules, by raw SQL: what the database refuses whoever asks."""

import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from payments.domain.fees import fee
from payments.domain.refunds import Refund
from payments.usecases import ledger

ACCOUNT = "acct_one"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = AT + timedelta(days=2)
TABLES = ("ledger_transactions", "ledger_entries", "balance_transactions")


@pytest.fixture
async def conn(migrated_dsn: Callable[[str], str]) -> AsyncIterator[Any]:
    """The test's role is a superuser: what is refused to it is refused to everybody."""
    conn = await asyncpg.connect(migrated_dsn("payments"))
    assert await conn.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    yield conn
    await conn.close()


async def post(conn: Any, entries: list[tuple[str, int, str]], *, transaction_id: str = "") -> str:
    """One transaction by hand; the checks at commit decide."""
    transaction_id = transaction_id or f"txn_{secrets.token_hex(4)}"
    async with conn.transaction():
        await insert_header(conn, transaction_id)
        await insert_entries(conn, transaction_id, entries)
    return transaction_id


async def insert_header(conn: Any, transaction_id: str) -> None:
    await conn.execute(
        "INSERT INTO ledger_transactions (id, account_id, kind, source, posted_at)"
        " VALUES ($1, $2, 'charge', 'ch_' || $1, $3)",
        transaction_id,
        ACCOUNT,
        AT,
    )


async def insert_entries(conn: Any, transaction_id: str, entries: list[tuple[str, int, str]]) -> None:
    await conn.execute(
        "INSERT INTO ledger_entries (transaction_id, account, amount, currency, available_on)"
        " SELECT $1, account, amount, currency, $5"
        " FROM unnest($2::text[], $3::bigint[], $4::text[]) AS e (account, amount, currency)",
        transaction_id,
        [account for account, _, _ in entries],
        [amount for _, amount, _ in entries],
        [currency for _, _, currency in entries],
        LATER,
    )


async def post_charge(conn: Any, amount: int, currency: str = "usd", charge_id: str = "ch_1") -> str:
    return await ledger.post_charge(
        conn,
        account_id=ACCOUNT,
        charge_id=charge_id,
        amount=amount,
        fee=fee(amount, currency),
        currency=currency,
        at=AT,
        available_on=LATER,
    )


async def entries_of(conn: Any, transaction_id: str) -> dict[str, int]:
    rows = await conn.fetch(
        "SELECT account, amount FROM ledger_entries WHERE transaction_id = $1", transaction_id
    )
    return {row["account"]: row["amount"] for row in rows}


async def test_a_charge_is_booked_on_three_accounts_in_one_statement(conn: Any) -> None:
    posted = await post_charge(conn, 10_00)

    assert await entries_of(conn, posted) == {
        "bank_clearing": 1000,
        f"merchant:{ACCOUNT}": -941,
        "fees": -59,
    }
    row = await conn.fetchrow("SELECT * FROM balance_transactions WHERE id = $1", posted)
    assert (row["amount"], row["fee"], row["net"], row["available_on"]) == (1000, 59, 941, LATER)


async def test_an_account_that_nothing_moves_on_has_no_entry(conn: Any) -> None:
    assert fee(31, "usd") == 31
    posted = await post_charge(conn, 31)

    assert await entries_of(conn, posted) == {"bank_clearing": 31, "fees": -31}


def refund_of(refund_id: str, amount: int) -> Refund:
    return Refund(
        id=refund_id,
        account_id=ACCOUNT,
        charge="ch_1",
        payment_intent="pi_1",
        amount=amount,
        currency="usd",
        status="pending",
        reason=None,
        failure_reason=None,
        metadata={},
        bank_refund_id=None,
        balance_transaction=None,
        failure_balance_transaction=None,
        announced=False,
        version=1,
        created_at=AT,
        updated_at=AT,
    )


async def test_a_refund_takes_from_the_pending_money_of_its_charge(conn: Any) -> None:
    await post_charge(conn, 1000)
    later = LATER + timedelta(days=1)
    first, second = refund_of("re_1", 400), refund_of("re_2", 400)
    early = await ledger.post_refund(conn, first, AT)
    late = await ledger.post_refund(conn, second, later)
    back = await ledger.post_refund_failure(conn, second, later)

    due = dict(await conn.fetch("SELECT id, available_on FROM balance_transactions"))
    assert (due[early], due[late], due[back]) == (LATER, later, later)
    assert await entries_of(conn, early) == {"bank_clearing": -400, f"merchant:{ACCOUNT}": 400}
    assert await entries_of(conn, back) == {"bank_clearing": 400, f"merchant:{ACCOUNT}": -400}


async def test_the_same_fact_is_booked_once(conn: Any) -> None:
    await post_charge(conn, 1000)
    with pytest.raises(asyncpg.UniqueViolationError):
        await post_charge(conn, 1000)


async def test_entries_that_are_not_zero_in_sum_are_refused_at_commit(conn: Any) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="not zero: usd 1"):
        await post(conn, [("bank_clearing", 100, "usd"), ("fees", -99, "usd")])
    assert await conn.fetchval("SELECT count(*) FROM ledger_entries") == 0


async def test_each_currency_is_zero_by_itself(conn: Any) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="not zero: eur -100, usd 100"):
        await post(conn, [("bank_clearing", 100, "usd"), ("fees", -100, "eur")])
    await post(
        conn,
        [
            ("bank_clearing", 100, "usd"),
            ("fees", -100, "usd"),
            ("bank_clearing", -7, "eur"),
            ("fees", 7, "eur"),
        ],
    )


async def test_a_transaction_without_entries_is_refused_at_commit(conn: Any) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="has no entries"):
        await post(conn, [])


@pytest.mark.parametrize("committed", [True, False])
async def test_nothing_joins_a_transaction_that_has_entries(conn: Any, *, committed: bool) -> None:
    more = [("bank_clearing", 5, "eur"), ("fees", -5, "eur")]
    pair = [("bank_clearing", 100, "usd"), ("fees", -100, "usd")]
    if committed:
        await post(conn, pair, transaction_id="txn_1")
        with pytest.raises(asyncpg.RestrictViolationError, match="cannot be added"):
            await insert_entries(conn, "txn_1", more)
        return
    async with conn.transaction():
        await insert_header(conn, "txn_1")
        await insert_entries(conn, "txn_1", pair)
        # The check of the sum may be pulled forward; what comes after it must not slip through.
        await conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(asyncpg.RestrictViolationError, match="cannot be added"):
            await insert_entries(conn, "txn_1", more)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("replaying", [False, True])
async def test_what_was_written_stays_also_for_a_superuser(conn: Any, table: str, *, replaying: bool) -> None:
    await post_charge(conn, 1000)
    before = await conn.fetch(f"SELECT * FROM {table}")  # noqa: S608
    if replaying:
        await conn.execute("SET session_replication_role = replica")
    column = "amount = amount + 1" if table != "ledger_transactions" else "source = 'ch_2'"
    for statement in (
        f"UPDATE {table} SET {column}",  # noqa: S608
        f"UPDATE {table} SET {column} WHERE false",  # noqa: S608
        f"DELETE FROM {table}",  # noqa: S608
        f"TRUNCATE {table} CASCADE",
    ):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await conn.execute(statement)
    assert await conn.fetch(f"SELECT * FROM {table}") == before  # noqa: S608


async def test_what_was_written_stays_for_an_ordinary_role(conn: Any) -> None:
    await post_charge(conn, 1000)
    role = f"clerk_{secrets.token_hex(4)}"
    await conn.execute(f"CREATE ROLE {role}")
    await conn.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    try:
        await conn.execute(f"SET ROLE {role}")
        for statement in ("UPDATE ledger_entries SET amount = 1", "DELETE FROM ledger_entries"):
            with pytest.raises(asyncpg.RestrictViolationError):
                await conn.execute(statement)
    finally:
        await conn.execute("RESET ROLE")
        await conn.execute(f"DROP OWNED BY {role}")
        await conn.execute(f"DROP ROLE {role}")


async def test_a_conflict_does_not_open_a_way_to_update(conn: Any) -> None:
    await post_charge(conn, 1000)
    with pytest.raises(asyncpg.RestrictViolationError):
        await conn.execute(
            "INSERT INTO ledger_entries SELECT * FROM ledger_entries"
            " ON CONFLICT (transaction_id, account, currency) DO UPDATE SET amount = 7"
        )
