"""What leaves on Kafka keeps to its published schema, whatever an intent and a refund go through."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import yaml
from asyncpg import Record
from payments import events

from tests.support.bank import BANK_KEY, listening_bank
from tests.support.payments import serving, settings_of

SCHEMAS = {
    topic: json.loads(Path(f"docs/reference/events/{topic}.json").read_text())
    for topic in (events.INTENT_CHANGED, events.REFUND_CHANGED)
}


async def posted(api: httpx.AsyncClient, path: str, **data: Any) -> dict[str, Any]:
    answer = await api.post(path, data=data)
    assert answer.status_code in {200, 402}, answer.text
    return dict(answer.json())


async def everything(api: httpx.AsyncClient) -> None:
    """Intents that are paid, declined, captured in part, canceled; refunds in part and one that fails."""
    customer = await posted(api, "/v1/customers", name="Zoë")
    common = {"currency": "eur", "metadata[order]": "7", "payment_method_types[]": "card"}
    paid = await posted(
        api, "/v1/payment_intents", amount=1000, customer=customer["id"], payment_method="pm_card_visa",
        confirm="true", **common,
    )  # fmt: skip
    await posted(api, "/v1/refunds", payment_intent=paid["id"], amount=300, **{"metadata[a]": "b"})
    declined = await posted(api, "/v1/payment_intents", amount=1000, **common)
    await posted(
        api, f"/v1/payment_intents/{declined['id']}/confirm",
        payment_method="pm_card_chargeDeclinedInsufficientFunds",
    )  # fmt: skip
    await posted(api, f"/v1/payment_intents/{declined['id']}/cancel")
    held = await posted(
        api, "/v1/payment_intents", amount=900, capture_method="manual", payment_method="pm_card_visa",
        confirm="true", **common,
    )  # fmt: skip
    await posted(api, f"/v1/payment_intents/{held['id']}/capture", amount_to_capture=600)
    failing = await posted(
        api, "/v1/payment_intents", amount=500, payment_method="pm_card_refundFail", confirm="true", **common
    )
    await posted(api, "/v1/refunds", payment_intent=failing["id"])


async def test_every_change_is_told_as_the_schemas_say(
    migrated_dsn: Callable[[str], str], redis_url: str
) -> None:
    async with listening_bank(migrated_dsn("bank")) as bank:
        settings = settings_of(migrated_dsn("payments"), redis_url, bank_url=bank.url, bank_api_key=BANK_KEY)
        async with serving(settings) as served:
            await everything(served.client())
            async with served.pool.acquire() as conn:
                rows = await conn.fetch("SELECT * FROM outbox ORDER BY id")
                recorded = await conn.fetch("SELECT id, type FROM events")

    documents = [told(row) for row in rows]
    changes = {document["change"] for document in documents}
    assert {
        "payment_intent.created", "payment_intent.succeeded", "payment_intent.payment_failed",
        "payment_intent.amount_capturable_updated", "payment_intent.canceled", "refund.created",
        "refund.failed",
    } <= changes  # fmt: skip
    # Every event of intents and refunds leaves, under the id that webhooks have, and nothing else does.
    ours = {row["id"] for row in recorded if events.leaves(row["type"])}
    assert {headers_of(row)["ce_id"] for row in rows} == ours
    assert len(rows) == len(ours)
    in_order(rows)


def headers_of(row: Record) -> dict[str, str]:
    return {
        name: value.decode() for name, value in zip(row["header_names"], row["header_values"], strict=True)
    }


def told(row: Record) -> dict[str, Any]:
    """The event's data, once it is known to keep to its schema and its headers to CloudEvents."""
    headers, document = headers_of(row), json.loads(row["value"])
    jsonschema.Draft202012Validator(SCHEMAS[row["topic"]]).validate(document)
    assert headers["ce_type"] == row["topic"]
    assert headers["ce_source"] == "/payments"
    assert headers["ce_subject"] == document["id"]
    assert headers["ce_sequence"] == str(document["version"])
    intent = document["id"] if row["topic"] == events.INTENT_CHANGED else document["payment_intent"]
    assert row["key"].decode() == intent
    return dict(document)


def in_order(rows: list[Record]) -> None:
    """Of one object each change has a version that is not lower than the one before."""
    last: dict[str, int] = {}
    for row in rows:
        document = json.loads(row["value"])
        assert document["version"] >= last.get(document["id"], 0)
        last[document["id"]] = document["version"]


def test_the_topics_are_declared() -> None:
    declared = yaml.safe_load(Path("infra/kafka/topics.yaml").read_text())
    assert SCHEMAS.keys() <= declared.keys()
    for topic, schema in SCHEMAS.items():
        assert schema["title"] == topic
