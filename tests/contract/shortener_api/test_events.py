"""What leaves through the outbox keeps to its published schema."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema

from tests.integration.shortener_api.served import create, put_test_tenants, serving, settings_of

SCHEMA = json.loads(Path("docs/reference/events/shortener.link-changed.v1.json").read_text())


async def test_every_change_of_a_link_is_told_as_the_schema_says(
    migrated_dsn: Callable[[str], str], redis_url: str
) -> None:
    async with serving(settings_of(migrated_dsn("shortener"), redis_url)) as served:
        await put_test_tenants(served.pool)
        api, operator = served.client(), served.operator()
        link = await create(api, slug="told")
        path = f"/v1/links/{link['id']}"
        await api.patch(path, json={"title": "t"})
        await api.post(f"{path}/disable")
        await api.post(f"{path}/enable")
        await operator.post("/v1/admin/links/told/takedown", json={"reason": "spam"})
        await operator.post("/v1/admin/links/told/restore")
        await api.delete(path)
        async with served.pool.acquire() as conn:
            rows = await conn.fetch("SELECT value FROM outbox ORDER BY id")

    events = [json.loads(row["value"]) for row in rows]
    validator = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
    for event in events:
        validator.validate(event)
    assert [event["change"] for event in events] == [
        "created", "updated", "disabled", "enabled", "taken_down", "restored", "deleted"
    ]  # fmt: skip
    assert [event["version"] for event in events] == list(range(1, 8))
