"""The balance and its transactions: what a merchant sees of the ledger."""

import pytest

from tests.integration.payments_money.money import Money
from tests.support.payments import error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

TWO_DAYS = 2 * 24 * 3600


def of(balance: dict[str, list[dict[str, object]]], part: str) -> dict[object, object]:
    lines = balance[part]
    assert all(line["source_types"] == {"card": line["amount"]} for line in lines)
    return {line["currency"]: line["amount"] for line in lines}


async def test_money_is_pending_for_two_days_in_each_currency(money: Money) -> None:
    await money.pay(1000)
    await money.pay(2000, "eur")
    await money.refund(await money.pay(3000), amount=100)
    earned = {"usd": 1000 - 59 + 3000 - 117 - 100, "eur": 2000 - 88}

    now = await money.get("/v1/balance")
    assert (now["object"], now["livemode"]) == ("balance", False)
    assert (of(now, "pending"), of(now, "available")) == (earned, {"usd": 0, "eur": 0})
    money.wait(TWO_DAYS + 60)
    later = await money.get("/v1/balance")
    assert (of(later, "pending"), of(later, "available")) == ({"usd": 0, "eur": 0}, earned)


async def test_a_refund_of_old_money_is_taken_from_what_is_available(money: Money) -> None:
    intent = await money.pay(1000)
    money.wait(TWO_DAYS + 60)
    await money.pay(500)
    await money.refund(intent)

    balance = await money.get("/v1/balance")
    assert (of(balance, "available"), of(balance, "pending")) == ({"usd": -59}, {"usd": 500 - 45})


async def test_the_card_that_bypasses_the_pending_balance_does(money: Money) -> None:
    await money.pay(1000, payment_method="pm_card_bypassPending")
    assert of(await money.get("/v1/balance"), "available") == {"usd": 941}


async def test_an_account_without_money_has_a_balance(money: Money) -> None:
    balance = await money.get("/v1/balance")
    assert of(balance, "available") == of(balance, "pending") == {"usd": 0}


async def test_a_transaction_tells_fee_and_net_and_when_the_money_comes(money: Money) -> None:
    intent = await money.pay(1000)
    charge = await money.get(f"/v1/charges/{intent['latest_charge']}")
    txn = await money.get(f"/v1/balance_transactions/{charge['balance_transaction']}")

    assert (txn["object"], txn["type"], txn["source"]) == ("balance_transaction", "charge", charge["id"])
    assert (txn["amount"], txn["fee"], txn["net"], txn["currency"]) == (1000, 59, 941, "usd")
    assert [(one["type"], one["amount"]) for one in txn["fee_details"]] == [("stripe_fee", 59)]
    assert txn["available_on"] == txn["created"] + TWO_DAYS
    assert (txn["status"], txn["reporting_category"], txn["exchange_rate"]) == ("pending", "charge", None)
    money.wait(TWO_DAYS + 60)
    assert (await money.get(f"/v1/balance_transactions/{txn['id']}"))["status"] == "available"


async def test_transactions_are_listed_newest_first_and_filtered(money: Money) -> None:
    dollars = await money.pay(1000)
    await money.pay(2000, "eur")
    refund = await money.refund(dollars, amount=10)

    async def kinds(**query: object) -> list[tuple[str, str]]:
        page = await money.get("/v1/balance_transactions", **query)
        return [(one["type"], one["currency"]) for one in page["data"]]

    everything = [("refund", "usd"), ("charge", "eur"), ("charge", "usd")]
    assert await kinds() == everything
    assert await kinds(type="charge") == everything[1:]
    assert await kinds(currency="eur") == everything[1:2]
    assert await kinds(source=refund["id"]) == everything[:1]
    assert await kinds(source=dollars["latest_charge"]) == everything[2:]
    assert await kinds(type="payout") == []
    assert await kinds(limit=1, starting_after=refund["balance_transaction"]) == everything[1:2]
    assert await kinds(**{"created[lt]": 1}) == []


async def test_a_source_is_expanded_whatever_it_is(money: Money) -> None:
    intent = await money.pay(1000)
    await money.refund(intent, amount=10)
    page = await money.get("/v1/balance_transactions", **{"expand[]": "data.source"})
    assert [one["source"]["object"] for one in page["data"]] == ["refund", "charge"]


async def test_there_are_no_payouts_and_no_types_of_ones_own(money: Money) -> None:
    payout = await money.api.get("/v1/balance_transactions", params={"payout": "po_1"})
    assert (payout.status_code, error_of(payout)["code"]) == (400, "resource_missing")
    kind = await money.api.get("/v1/balance_transactions", params={"type": "gift"})
    assert (kind.status_code, error_of(kind)["param"]) == (400, "type")
    unknown = await money.api.get("/v1/balance_transactions/txn_nobodys")
    assert (unknown.status_code, error_of(unknown)["code"]) == (404, "resource_missing")
