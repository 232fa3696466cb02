"""The OpenAPI document of payments: a committed snapshot, and what every operation must say."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from chassis.health import Health
from payments import api
from payments.app import create

from tests.support.payments import settings_of

SNAPSHOT = Path("services/payments/openapi.json")
HINT = "UPDATE_SNAPSHOTS=1 .venv/bin/python -m pytest tests/contract/payments_dialect writes the new one"


@cache
def document() -> dict[str, Any]:
    """Made without any server."""
    nowhere = settings_of("postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1")
    return create(nowhere, Health()).openapi()


def test_the_document_is_the_committed_one() -> None:
    """The diff is part of the review."""
    now = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(now)

    assert SNAPSHOT.read_text() == now, HINT


def test_every_route_is_in_the_document() -> None:
    paths = document()["paths"]
    for route in api.ROUTES:
        assert paths[route.path][route.method.lower()]["summary"], (route.method, route.path)


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [
        operation["operationId"]
        for path, operations in document()["paths"].items()
        for operation in operations.values()
        if path.startswith("/v1/")
    ]
    assert len(names) == len(set(names))


def test_every_refusal_under_v1_has_the_envelope() -> None:
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            if not path.startswith("/v1/"):
                continue
            refusals = {
                status: answer for status, answer in operation["responses"].items() if status != "200"
            }
            assert {"400", "401", "404", "429", "503"} <= refusals.keys(), (method, path)
            for answer in refusals.values():
                name = answer["$ref"].removeprefix("#/components/responses/")
                schema = document()["components"]["responses"][name]["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/StripeError"}


def test_every_post_takes_a_key_and_a_form() -> None:
    for path, operations in document()["paths"].items():
        if path.startswith("/v1/") and "post" in operations:
            operation = operations["post"]
            assert "Idempotency-Key" in {one["name"] for one in operation["parameters"]}, path
            form = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
            assert form["additionalProperties"] is False
            assert "expand" in form["properties"]


def test_every_list_is_paged() -> None:
    for route in api.ROUTES:
        if route.list:
            operation = document()["paths"][route.path]["get"]
            names = {one["name"] for one in operation["parameters"]}
            assert {"limit", "starting_after", "ending_before", "expand"} <= names, route.path


def test_the_operators_routes_keep_to_problem_documents() -> None:
    proof = document()["paths"]["/admin/proof"]["get"]
    assert "application/problem+json" in proof["responses"]["401"]["content"]


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(document())
    for kind, named in document()["components"].items():
        wanted = {part.split('"')[0] for part in text.split(f'"#/components/{kind}/')[1:]}
        assert wanted <= named.keys()
