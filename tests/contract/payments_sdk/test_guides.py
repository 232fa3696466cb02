"""The quickstart and the recipes of the guides, run as a reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.contract.payments_sdk.receiver import Receiver
from tests.contract.payments_sdk.sdk import Sdk
from tests.support.payments_stack import PaymentsStack

DOCS = Path(__file__).parents[3] / "docs" / "payments"
TIMEOUT_S = 60


def examples(page: str) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL))


def run(code: str, url: str, api_key: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PAYMENTS_URL": url, "PAYMENTS_API_KEY": api_key},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_quickstart_prints_what_it_promises(
    payments_url: str, api_key: str, receiver: Receiver
) -> None:
    code = examples("quickstart.md").replace("http://127.0.0.1:4242/hook", receiver.url)

    lines = run(code, payments_url, api_key).splitlines()

    assert re.fullmatch(r"pi_\w+ succeeded", lines[0])
    assert lines[1:3] == ["card_declined insufficient_funds", "requires_payment_method"]
    assert lines[3:5] == ["refund -99 0 -99 usd", "charge 1099 62 1037 usd"]
    assert lines[5].startswith("whsec_")


async def test_an_order_that_is_paid_twice_is_charged_once(payments_url: str, api_key: str) -> None:
    code = examples("idempotency.md") + (
        "\nimport os\n"
        "client = stripe.StripeClient(\n"
        '    os.environ["PAYMENTS_API_KEY"], base_addresses={"api": os.environ["PAYMENTS_URL"]}\n'
        ")\n"
        'print(len({pay(client, "6735", 1099).latest_charge for _ in range(3)}))\n'
    )

    assert run(code, payments_url, api_key) == "1\n"


async def test_what_is_unknown_is_told_and_settles(
    stack: PaymentsStack, payments_url: str, api_key: str, sdk: Sdk
) -> None:
    """The bank charges and its answers are lost; the recipe of the guide waits for the end."""
    await stack.fault("reply_lost")
    try:
        intent = await sdk.payment_intents.create(
            {"amount": 1099, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )
    finally:
        await stack.fault(None)
    assert intent.status == "processing"

    code = examples("unknown-outcomes.md") + (
        "\nimport os\n"
        "client = stripe.StripeClient(\n"
        '    os.environ["PAYMENTS_API_KEY"], base_addresses={"api": os.environ["PAYMENTS_URL"]}\n'
        ")\n"
        f'print(outcome_of(client, "{intent.id}").status)\n'
    )
    assert run(code, payments_url, api_key) == "succeeded\n"
    assert [charge.amount for charge in (await sdk.charges.list()).data] == [1099]
