"""The proof: right while traffic runs, and able to find what somebody bent behind our backs."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from payments.proof import run, table_of
from payments.usecases import proof

from tests.integration.payments_money.money import Money, working
from tests.support.bank import ListeningBank

INSIDE = {
    "ledger_transactions_are_zero",
    "ledger_currencies_are_zero",
    "balance_transactions_match_entries",
    "charges_match_ledger",
    "refunds_match_ledger",
    "captured_covers_refunded",
    "intents_match_charges",
    "operations_end",
    "outbox_drains",
}
OUTSIDE = {"authorisations_charged_once", "bank_book_matches", "bank_book_is_complete"}


async def some_money(money: Money) -> None:
    """Something of every kind."""
    await money.refund(await money.pay(1000), amount=300)
    await money.refund(await money.pay(2000, "eur", payment_method="pm_card_refundFail"))
    held = await money.pay(500, capture_method="manual")
    await money.post(f"/v1/payment_intents/{held['id']}/cancel")
    part = await money.pay(700, "jpy", capture_method="manual")
    await money.post(f"/v1/payment_intents/{part['id']}/capture", amount_to_capture=300)
    await money.pay(900, capture_method="manual")
    await money.post(
        "/v1/payment_intents",
        amount=800,
        currency="usd",
        payment_method="pm_card_chargeDeclined",
        confirm="true",
    )


async def test_everything_is_looked_at_and_right(money: Money) -> None:
    await some_money(money)
    checks = await money.proof()

    assert checks.keys() == INSIDE | OUTSIDE
    assert all(check["ok"] for check in checks.values()), checks
    assert checks["bank_book_matches"]["detail"] == "6 charges read"
    assert checks["intents_match_charges"]["detail"] == "6 looked at"


async def test_only_the_operator_may_ask(money: Money) -> None:
    assert (await money.apps[0].client(None).get("/admin/proof")).status_code == 401
    assert (await money.api.get("/admin/proof")).status_code == 403


BENT = [
    (
        "UPDATE ledger_entries SET amount = amount + 1 WHERE account = 'fees' AND currency = 'eur'",
        {"ledger_transactions_are_zero", "ledger_currencies_are_zero", "balance_transactions_match_entries"},
    ),
    ("UPDATE balance_transactions SET fee = fee + 1, net = net - 1", {"balance_transactions_match_entries"}),
    (
        "UPDATE charges SET amount_captured = amount_captured - 1 WHERE currency = 'eur' AND captured",
        {"charges_match_ledger", "intents_match_charges", "bank_book_matches"},
    ),
    (
        "UPDATE charges SET balance_transaction = NULL",
        {"charges_match_ledger"},
    ),
    (
        "UPDATE refunds SET amount = amount + 1 WHERE status = 'succeeded'",
        {"refunds_match_ledger", "captured_covers_refunded", "bank_book_matches"},
    ),
    (
        "UPDATE refunds SET status = 'pending', balance_transaction = NULL WHERE status = 'succeeded'",
        {"refunds_match_ledger", "bank_book_matches"},
    ),
    (
        "UPDATE charges SET amount_refunded = amount_refunded + 1 WHERE currency = 'eur' AND captured",
        {"captured_covers_refunded"},
    ),
    (
        "UPDATE payment_intents SET status = 'processing' WHERE status = 'succeeded' AND currency = 'jpy'",
        {"intents_match_charges"},
    ),
    (
        "UPDATE bank_operations SET bank_key = 'another' WHERE kind = 'authorise' AND currency = 'jpy'",
        {"bank_book_matches", "bank_book_is_complete"},
    ),
    (
        "UPDATE bank_operations SET state = 'unknown', created_at = '2000-01-01' WHERE kind = 'void'",
        {"operations_end"},
    ),
    ("UPDATE outbox SET created_at = created_at - interval '1 hour'", {"outbox_drains"}),
]


@pytest.mark.parametrize(("statement", "found"), BENT)
async def test_what_was_bent_is_found(money: Money, statement: str, found: set[str]) -> None:
    await some_money(money)
    async with money.apps[0].pool.acquire() as conn:
        for table in ("ledger_entries", "balance_transactions"):
            await conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        assert await conn.execute(statement) != "UPDATE 0"

    checks = await money.proof()
    assert {name for name, check in checks.items() if not check["ok"]} == found, checks


async def test_a_book_that_was_bent_is_found(money: Money, bank: ListeningBank) -> None:
    await some_money(money)
    pool = bank.app.state.resources.db
    await pool.execute("UPDATE charges SET refunded = refunded + 1 WHERE currency = 'usd' AND refunded > 0")
    checks = await money.proof()
    assert "refunded 301 there, 300 here" in checks["bank_book_matches"]["detail"]

    await pool.execute("UPDATE charges SET idempotency_key = 'forgotten' WHERE currency = 'jpy'")
    checks = await money.proof()
    assert not checks["bank_book_is_complete"]["ok"]
    assert "its key forgotten is of no operation of ours" in checks["bank_book_matches"]["detail"]


async def test_a_bank_that_is_away_cannot_be_agreed_with(
    migrated_dsn: Callable[[str], str], redis_url: str, tmp_path: Path
) -> None:
    nowhere: Any = ListeningBank(None, "http://127.0.0.1:1")  # type: ignore[arg-type]  # there is none
    async with working(migrated_dsn("payments"), redis_url, nowhere, tmp_path / "clock") as money:
        checks = await money.proof()
    assert {name for name, check in checks.items() if not check["ok"]} == {"bank_book_matches"}
    assert "ConnectError" in checks["bank_book_matches"]["detail"]


async def test_the_proof_holds_while_traffic_runs(money: Money) -> None:
    """Every answer of it, whatever was half-way when it was asked."""
    done = asyncio.Event()

    async def traffic(currency: str) -> None:
        for number in range(12):
            intent = await money.pay(1000, currency)
            await asyncio.gather(*(money.refund(intent, amount=100 + number) for _ in range(3)))

    async def prove() -> int:
        proven = 0
        while not done.is_set():
            await money.prove()
            proven += 1
        return proven

    proving = asyncio.create_task(prove())
    try:
        await asyncio.gather(*(traffic(currency) for currency in ("usd", "eur", "gbp")))
    finally:
        done.set()
    assert await proving >= 1
    await money.prove()


async def test_open_operations_are_named_and_not_judged(money: Money) -> None:
    intent = await money.pay(1000)
    with money.bank.failing("reply_lost"):
        await money.refund(intent, amount=400)
    checks = await money.proof()

    assert all(check["ok"] for check in checks.values()), checks
    operation = await money.apps[0].value("SELECT id FROM bank_operations WHERE kind = 'refund'")
    assert operation in checks["operations_end"]["detail"]
    assert f"not judged while 1 operations are open: {operation}" in checks["bank_book_matches"]["detail"]
    await money.settle()
    assert (await money.proof())["operations_end"]["detail"] == "none is open"


async def test_the_command_says_the_same(money: Money) -> None:
    await some_money(money)
    checks = await run(money.apps[0].res.settings)

    assert all(check.ok for check in checks), checks
    assert {check.name for check in checks} == INSIDE | OUTSIDE
    assert all(line.startswith("ok ") for line in table_of(checks).splitlines())


async def test_the_gauge_counts_what_does_not_add_up(money: Money) -> None:
    await some_money(money)
    assert await proof.findings(money.apps[0].res) == 0
    async with money.apps[0].pool.acquire() as conn:
        await conn.execute("ALTER TABLE balance_transactions DISABLE TRIGGER USER")
        await conn.execute(
            "UPDATE balance_transactions SET fee = fee + 1, net = net - 1 WHERE type = 'charge'"
        )
    assert await proof.findings(money.apps[0].res) == 3


async def test_a_balance_never_forgets_an_entry(money: Money) -> None:
    """The sum over the ledger is the sum over the transactions that a merchant can list."""
    await some_money(money)
    page = await money.get("/v1/balance_transactions", limit=100)
    balance = await money.get("/v1/balance")
    for line in balance["pending"]:
        nets = [one["net"] for one in page["data"] if one["currency"] == line["currency"]]
        assert line["amount"] == sum(nets)
