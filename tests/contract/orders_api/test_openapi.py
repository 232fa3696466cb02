"""The OpenAPI document: a committed snapshot, and what must stand in it of every operation."""

import json
import os
from pathlib import Path

from chassis.problems import MEDIA_TYPE

from tests.support.orders import document

SNAPSHOT = Path("services/orders/openapi.json")


def test_the_document_is_the_committed_one() -> None:
    """`UPDATE_SNAPSHOTS=1` writes it anew; the diff is then part of the review."""
    now = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(now)

    assert SNAPSHOT.read_text() == now


def test_every_operation_has_a_summary_and_declares_its_problems() -> None:
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            statuses = {int(status) for status in operation["responses"] if status.isdigit()}
            assert {401, 429, 503} <= statuses, (method, path)
            assert statuses & {200, 201, 202}, (method, path)
            if path.startswith(("/v1/admin/", "/v1/dead-letters")):
                assert 403 in statuses, (method, path)
            if "requestBody" in operation:
                assert {400, 413, 415, 422} <= statuses, (method, path)
            for status, answer in operation["responses"].items():
                if status.isdigit() and int(status) >= 400:
                    assert MEDIA_TYPE in answer["content"], (method, path, status)


def test_every_reference_in_the_document_leads_somewhere() -> None:
    text = json.dumps(document())
    names = set(document()["components"]["schemas"])
    wanted = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}

    assert wanted <= names


def test_every_body_has_an_example() -> None:
    components = document()["components"]["schemas"]
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                found = components.get(media["schema"].get("$ref", "").rsplit("/", 1)[-1], media["schema"])
                assert "examples" in found or "example" in media, f"{method} {path} has no example"
