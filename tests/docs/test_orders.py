"""The page of the orders API against its code: routes, statuses, codes, limits."""

import re
from pathlib import Path

from chassis.problems import Problem
from orders import problems, schemas
from orders.domain.orders import Status
from orders.domain.saga import Reason
from orders.settings import OrdersSettings

from tests.support.orders import document

PAGE = (Path(__file__).parents[2] / "docs" / "orders" / "api.md").read_text()
SHARED = frozenset(
    {
        "unauthorized", "forbidden", "rate_limited", "overloaded", "database_unavailable", "validation_error",
        "malformed_body", "body_too_large", "unsupported_media_type",
    }
)  # fmt: skip

Route = tuple[frozenset[str], frozenset[str]]


def declared() -> dict[str, Route]:
    """Successes and refusals of its own, by route."""
    found = {}
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            answers = {
                status: answer for status, answer in operation["responses"].items() if status.isdigit()
            }
            codes = {
                code
                for answer in answers.values()
                for media in answer.get("content", {}).values()
                for code in media.get("examples", {})
            }
            successes = {status for status in answers if int(status) < 400}
            found[f"{method.upper()} {path}"] = frozenset(successes), frozenset(codes - SHARED)
    return found


def rows() -> dict[str, Route]:
    listed = re.findall(r"^\| `([A-Z]+ /v1/[^`]+)` \| ([\d, ]+) \|(.*)\|$", PAGE, re.MULTILINE)
    return {
        route: (frozenset(statuses.split(", ")), frozenset(re.findall(r"`([a-z_]+)`", codes)))
        for route, statuses, codes in listed
    }


def test_every_route_has_its_row_with_its_statuses_and_codes() -> None:
    assert rows() == declared()


def test_every_code_of_the_service_stands_on_the_page() -> None:
    kinds = [kind for kind in vars(problems).values() if isinstance(kind, type) and issubclass(kind, Problem)]
    codes = {kind.code for kind in kinds if kind.__module__ == problems.__name__}

    assert codes
    assert {code for code in codes | SHARED if f"`{code}`" not in PAGE} == set()


def test_every_limit_in_the_table_is_the_one_in_the_code() -> None:
    table = re.findall(r"^\| [^`]+ \| ([\d,]+) \| `(\w+)` \|$", PAGE, re.MULTILINE)

    assert len(table) >= 7
    for number, name in table:
        field = OrdersSettings.model_fields.get(name)
        value = getattr(schemas, name) if field is None else field.default
        assert value == int(number.replace(",", "")), name


def test_the_seeded_rate_is_the_one_in_the_text() -> None:
    fields = OrdersSettings.model_fields
    rate, burst = fields["seeded_rate_per_s"].default, fields["seeded_burst"].default

    assert f"**{rate:,.0f} requests a second, and {burst:,} at once**" in PAGE


def test_every_status_and_every_reason_is_told() -> None:
    for word in (*Status, *Reason):
        assert f"`{word}`" in PAGE, word
