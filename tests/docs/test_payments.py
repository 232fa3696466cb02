"""The pages of the payments API against its code: routes, codes, cards, and examples that run."""

import ast
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import httpx
import msgspec
import pytest
import stripe
from payments import api
from payments.domain import signing
from payments.domain.cards import CARDS
from payments.settings import PaymentsSettings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "payments"
SOURCES = sorted((ROOT / "services" / "payments" / "payments").glob("**/*.py"))
SECRET = signing.new_secret()


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def test_every_test_card_stands_in_the_table_and_no_other() -> None:
    rows = re.findall(r"^\| `pm_card_(\w+)` \| `(\d+)` \|", (DOCS / "testing.md").read_text(), re.MULTILINE)

    assert sorted(rows) == sorted((card.name, card.number) for card in CARDS)


def test_every_limit_in_the_table_is_its_settings() -> None:
    rows = re.findall(r"^\| .+ \| ([\d,]+) \| `(\w+)` \|$", (DOCS / "limits.md").read_text(), re.MULTILINE)

    assert rows
    for number, setting in rows:
        assert PaymentsSettings.model_fields[setting].default == float(number.replace(",", "")), setting


def test_the_seeded_rate_is_the_one_in_the_text() -> None:
    fields = PaymentsSettings.model_fields
    rate, burst = fields["seeded_rate_per_s"].default, fields["seeded_burst"].default

    assert f"**{rate:.0f} requests a second, and {burst:,} at once**" in (DOCS / "limits.md").read_text()


def delivered(body: bytes, *, at: int | None = None) -> str:
    """The header of a delivery of ours."""
    at = int(time.time()) if at is None else at
    return signing.headers(secrets_=[SECRET], message_id="evt_1", at=at, body=body)["Stripe-Signature"]


def test_the_verification_without_a_library_accepts_ours_and_nothing_else() -> None:
    code = next(block for block in blocks("webhooks.md", "python") if "def is_ours" in block)
    scope: dict[str, Any] = {}
    exec(code, scope)  # noqa: S102 - the example must run as it stands
    is_ours = scope["is_ours"]
    body = b'{"id": "evt_1"}'

    assert is_ours(body, delivered(body), SECRET)
    assert not is_ours(body + b" ", delivered(body), SECRET)
    assert not is_ours(body, delivered(body), signing.new_secret())
    assert not is_ours(body, delivered(body, at=int(time.time()) - 301), SECRET)


async def test_the_receiver_of_the_guide_refuses_forgeries_and_acts_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = next(block for block in blocks("webhooks.md", "python") if "@app.post" in block)
    scope: dict[str, Any] = {}
    exec(code.replace("whsec_...", SECRET), scope)  # noqa: S102
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
    }
    body = msgspec.json.encode(event)
    genuine = {"Stripe-Signature": delivered(body)}

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(scope["app"]), base_url="http://merchant"
    ) as merchant:
        answers = [
            (await merchant.post("/hook", content=body, headers=headers)).status_code
            for headers in ({"Stripe-Signature": delivered(b"other")}, genuine, genuine)
        ]

    assert answers == [400, 204, 204]
    assert capsys.readouterr().out == "ship pi_1\n"


@pytest.mark.parametrize("page", sorted(page.name for page in DOCS.glob("*.md")))
def test_every_example_in_python_can_be_read(page: str) -> None:
    for block in blocks(page, "python"):
        ast.parse(block)


def codes_known_to_the_sdk() -> set[str]:
    """Every code that a refusal of the real API may have, from the SDK's own types."""
    kinds = get_args(stripe.PaymentIntent.LastPaymentError.__annotations__["code"])
    return {code for kind in kinds for code in get_args(kind)}


def strings_in(source: Path) -> set[str]:
    nodes = ast.walk(ast.parse(source.read_text()))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def given(source: Path, keyword: str, places: Mapping[str, int]) -> set[str]:
    """The strings that refusals take: by keyword, or at their place among the arguments."""
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            place = places.get(name, len(node.args))
            found += [
                *node.args[place : place + 1],
                *(one.value for one in node.keywords if one.arg == keyword),
            ]
    return {one.value for one in found if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def decline_codes() -> set[str]:
    places = {"Decline": 1, "CardDeclined": 1}
    return set().union(*(given(source, "decline_code", places) for source in SOURCES))


def test_every_code_of_a_refusal_has_its_row() -> None:
    known = codes_known_to_the_sdk() - decline_codes()
    places = {"InvalidRequest": 2, "UnexpectedState": 1, "CardDeclined": 0, "Decline": 0}
    codes = set().union(*(given(source, "code", places) | (strings_in(source) & known) for source in SOURCES))
    rows = set(re.findall(r"^\| `(\w+)` \| \d{3} \|", (DOCS / "errors.md").read_text(), re.MULTILINE))

    assert len(known) > 100, "the SDK still tells its codes"
    assert codes == rows, {"missing": codes - rows, "stale": rows - codes}


def test_every_decline_code_has_its_row() -> None:
    body = (DOCS / "errors.md").read_text().partition("## Decline codes")[2]
    rows = set(re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE))

    assert decline_codes() == rows


def test_every_route_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+ /v1/[^`]+)` \|", (DOCS / "endpoints.md").read_text(), re.MULTILINE)

    assert sorted(rows) == sorted(f"{route.method} {route.path}" for route in api.ROUTES)
