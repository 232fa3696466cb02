"""The proof: right while traffic runs, and able to find what somebody bent behind our backs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from payments.proof import run, table_of
from payments.usecases import proof

from tests.integration.payments_money.money import Money
from tests.support.bank import ListeningBank

pytestmark = pytest.mark.asyncio(loop_scope="module")

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
    assert checks["bank_book_matches"]["detail"].endswith(" charges read")
    assert checks["intents_match_charges"]["detail"].endswith(" looked at")


async def test_only_the_operator_may_ask(money: Money) -> None:
    assert (await money.apps[0].client(None).get("/admin/proof")).status_code == 401
    assert (await money.api.get("/admin/proof")).status_code == 403


# What somebody does behind our backs, how it is undone, and the checks that find it.
BENT = (
    (
        "UPDATE ledger_entries SET amount = amount + 1 WHERE account = 'fees' AND currency = 'eur'",
        "UPDATE ledger_entries SET amount = amount - 1 WHERE account = 'fees' AND currency = 'eur'",
        {"ledger_transactions_are_zero", "ledger_currencies_are_zero", "balance_transactions_match_entries"},
    ),
    (
        "UPDATE balance_transactions SET fee = fee + 1, net = net - 1",
        "UPDATE balance_transactions SET fee = fee - 1, net = net + 1",
        {"balance_transactions_match_entries"},
    ),
    (
        "UPDATE charges SET amount_captured = amount_captured - 1 WHERE currency = 'eur' AND captured",
        "UPDATE charges SET amount_captured = amount_captured + 1 WHERE currency = 'eur' AND captured",
        {"charges_match_ledger", "intents_match_charges", "bank_book_matches"},
    ),
    (
        "UPDATE charges SET balance_transaction = 'x' || balance_transaction WHERE captured",
        "UPDATE charges SET balance_transaction = substr(balance_transaction, 2) WHERE captured",
        {"charges_match_ledger"},
    ),
    (
        "UPDATE refunds SET amount = amount + 1 WHERE status = 'succeeded'",
        "UPDATE refunds SET amount = amount - 1 WHERE status = 'succeeded'",
        {"refunds_match_ledger", "captured_covers_refunded", "bank_book_matches"},
    ),
    (
        "UPDATE refunds SET status = 'succeeded', failure_reason = NULL WHERE status = 'failed'",
        "UPDATE refunds SET status = 'failed', failure_reason = 'declined' WHERE currency = 'eur'",
        {"refunds_match_ledger", "captured_covers_refunded", "bank_book_matches"},
    ),
    (
        "UPDATE charges SET amount_refunded = amount_refunded + 1 WHERE currency = 'eur' AND captured",
        "UPDATE charges SET amount_refunded = amount_refunded - 1 WHERE currency = 'eur' AND captured",
        {"captured_covers_refunded"},
    ),
    (
        "UPDATE payment_intents SET status = 'processing' WHERE status = 'succeeded' AND currency = 'jpy'",
        "UPDATE payment_intents SET status = 'succeeded' WHERE currency = 'jpy'",
        {"intents_match_charges"},
    ),
    (
        "UPDATE bank_operations SET bank_key = 'x' || id WHERE kind = 'authorise' AND currency = 'jpy'",
        "UPDATE bank_operations SET bank_key = id WHERE kind = 'authorise' AND currency = 'jpy'",
        {"bank_book_matches", "bank_book_is_complete"},
    ),
    (
        "UPDATE bank_operations SET state = 'unknown', created_at = '2000-01-01' WHERE kind = 'void'",
        "UPDATE bank_operations SET state = 'done' WHERE kind = 'void'",
        {"operations_end"},
    ),
    (
        "UPDATE outbox SET created_at = created_at - interval '1 hour'",
        "UPDATE outbox SET created_at = created_at + interval '1 hour'",
        {"outbox_drains"},
    ),
)


async def test_what_was_bent_is_found(money: Money) -> None:
    await some_money(money)
    async with unguarded(money) as bend:
        for statement, undo, found in BENT:
            await bend(statement)
            checks = await money.proof()
            wrong = {name for name, check in checks.items() if not check["ok"]}
            await bend(undo)
            assert wrong == found, (statement, checks)
    await money.prove()


@asynccontextmanager
async def unguarded(money: Money) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """The ledger without its guards, as only its owner can have it."""
    pool = money.apps[0].pool

    async def bend(statement: str) -> None:
        assert await pool.execute(statement) != "UPDATE 0", statement

    for table in ("ledger_entries", "balance_transactions"):
        await pool.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_append_only")
    yield bend
    for table in ("ledger_entries", "balance_transactions"):
        await pool.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only")


async def test_a_book_that_was_bent_is_found(money: Money, bank: ListeningBank) -> None:
    intent = await money.pay(1000)
    await money.refund(intent, amount=300)
    pool = bank.app.state.resources.db
    statement = "UPDATE charges SET refunded = refunded + $2 WHERE reference = $1"
    await pool.execute(statement, intent["id"], 1)
    checks = await money.proof()
    assert "refunded 301 there, 300 here" in checks["bank_book_matches"]["detail"]

    await pool.execute(statement, intent["id"], -1)
    rename = "UPDATE charges SET idempotency_key = $2 WHERE reference = $1 RETURNING id"
    key = (await money.booked(intent))[0]["idempotency_key"]
    await pool.execute(rename, intent["id"], "forgotten")
    checks = await money.proof()
    assert key in checks["bank_book_is_complete"]["detail"]
    assert "its key forgotten is of no operation of ours" in checks["bank_book_matches"]["detail"]
    await pool.execute(rename, intent["id"], key)
    await money.prove()


async def test_a_bank_that_is_away_cannot_be_agreed_with(money: Money) -> None:
    res = money.apps[0].res
    nowhere = res.settings.model_copy(update={"bank_url": "http://127.0.0.1:1"})
    wrong = [check for check in await proof.prove(replace(res, settings=nowhere)) if not check.ok]
    assert [check.name for check in wrong] == ["bank_book_matches"]
    assert "ConnectError" in wrong[0].detail


async def test_the_proof_holds_while_traffic_runs(money: Money) -> None:
    """Every answer of it, whatever was half-way when it was asked."""
    done = asyncio.Event()

    async def traffic(currency: str) -> None:
        for number in range(4):
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
    operation = await money.apps[0].value("SELECT id FROM bank_operations WHERE state = 'unknown'")
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
    await money.pay(777_000)
    assert await proof.findings(money.apps[0].res) == 0
    async with unguarded(money) as bend:
        await bend("UPDATE balance_transactions SET fee = fee + 1, net = net - 1 WHERE amount = 777000")
        assert await proof.findings(money.apps[0].res) == 1
        await bend("UPDATE balance_transactions SET fee = fee - 1, net = net + 1 WHERE amount = 777000")


async def test_a_balance_never_forgets_an_entry(money: Money) -> None:
    """The sum over the ledger is the sum over the transactions that a merchant can list."""
    await some_money(money)
    page = await money.get("/v1/balance_transactions", limit=100)
    balance = await money.get("/v1/balance")
    for line in balance["pending"]:
        nets = [one["net"] for one in page["data"] if one["currency"] == line["currency"]]
        assert line["amount"] == sum(nets)
