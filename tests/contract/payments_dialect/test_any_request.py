"""Every route takes any form: the answer is an object or a refusal in the envelope, and never a 500."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest
from payments import api
from payments.dialect.params import (
    AnyHash,
    Boolean,
    Choice,
    Field,
    Hash,
    Id,
    Integer,
    ListOf,
    Metadata,
    TimeRange,
)
from payments.dialect.routes import Route
from payments.dialect.table import fields_of

from tests.support.databases import Databases
from tests.support.payments import Served, serving, settings_of

ROUNDS = 12
ODD = ["", "x", "0", "-1", "99999999999", "true", "null", "é\U0001f642", "%", "a" * 600, "2024-01-01", "[]"]
PLAUSIBLE = ["pm_card_visa", "tok_visa", "usd", "jpy", "card", "a@example.com", "https://example.com/x", "*"]


def value_of(field: Field, dice: random.Random, ids: list[str]) -> Any:  # noqa: PLR0911 a kind a line
    """Right more often than not, so that requests come past the first check."""
    if dice.random() < 0.15:
        return dice.choice(ODD)
    match field:
        case Id():
            return dice.choice([*ids, "pm_card_visa", f"{field.prefix}_nobody"])
        case Choice():
            return dice.choice(field.values)
        case Boolean():
            return dice.choice(["true", "false"])
        case Integer():
            return str(dice.choice([max(field.min, 1), 50, 2000]))
        case Hash():
            return {
                name: value_of(one, dice, ids) for name, one in field.fields.items() if dice.random() < 0.5
            }
        case ListOf():
            return [value_of(field.item, dice, ids) for _ in range(dice.randrange(1, 3))]
        case TimeRange():
            return {dice.choice(["gt", "gte", "lt", "lte"]): "1700000000"}
        case Metadata() | AnyHash():
            return {"a": dice.choice(ODD), "b": "1"}
        case _:
            return dice.choice([*PLAUSIBLE, *ids, "1700000000"])


def flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(f"{name}[{key}]", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from flat(f"{name}[{index}]", item)
    else:
        yield name, value


def request_of(route: Route, dice: random.Random, ids: list[str]) -> tuple[str, list[tuple[str, str]]]:
    path = route.path
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        path = path[:start] + dice.choice([*ids, "nobody", "x" * 300]) + path[end + 1 :]
    pairs: list[tuple[str, str]] = []
    for name, field in fields_of(route).items():
        if name != "expand" and (field.required or dice.random() < 0.3):
            pairs += flat(name, value_of(field, dice, ids))
    return path, pairs


@pytest.fixture(scope="module")
def dsn(databases: Databases) -> Iterator[str]:
    dsn = databases.migrated("payments")
    yield dsn
    databases.drop(dsn)


@pytest.fixture
async def served(dsn: str, redis_url: str) -> AsyncIterator[Served]:
    # Nobody listens there: what would be charged stays unknown, or is refused before it begins.
    async with serving(
        settings_of(dsn, redis_url, bank_url="http://127.0.0.1:1", bank_timeout_s=0.2)
    ) as served:
        yield served


async def made(client: httpx.AsyncClient) -> list[str]:
    """Ids of real objects, for requests that come further than "No such"."""
    bodies: list[tuple[str, dict[str, str]]] = [
        ("/v1/customers", {"email": "a@example.com"}),
        ("/v1/payment_methods", {"type": "card", "card[token]": "tok_visa"}),
        ("/v1/payment_intents", {"amount": "2000", "currency": "usd"}),
        ("/v1/setup_intents", {}),
        ("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/h", "enabled_events[]": "*"}),
    ]
    answers = [await client.post(path, data=body) for path, body in bodies]
    return [answer.json()["id"] for answer in answers if answer.status_code == 200]


@pytest.mark.parametrize("noun", sorted({route.path.split("/")[2] for route in api.ROUTES}))
async def test_any_form_gets_an_object_or_the_envelope(served: Served, noun: str) -> None:
    dice = random.Random(noun)  # noqa: S311 the same requests in every run
    client = served.client()
    ids = await made(client)
    routes = [route for route in api.ROUTES if route.path.split("/")[2] == noun]
    await asyncio.gather(*(one(client, route, dice, ids) for route in routes for _ in range(ROUNDS)))


async def one(client: httpx.AsyncClient, route: Route, dice: random.Random, ids: list[str]) -> None:
    path, pairs = request_of(route, dice, ids)
    sent = urlencode(pairs)
    headers = {"Idempotency-Key": uuid4().hex, "Content-Type": "application/x-www-form-urlencoded"}
    body = sent if route.method == "POST" else None
    address = path if route.method == "POST" else f"{path}?{sent}"
    answer = await client.request(route.method, address, content=body, headers=headers)

    told = f"{route.method} {path} {pairs} -> {answer.status_code} {answer.text[:300]}"
    # Without its bank the service refuses what needs it, and may be asked again.
    assert answer.status_code < 500 or answer.status_code == 503, told
    document = answer.json()
    assert ("error" in document) == (answer.status_code >= 400), told
    assert document["error"]["message"] if "error" in document else document["object"], told
