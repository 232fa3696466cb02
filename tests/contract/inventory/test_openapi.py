"""The OpenAPI document of inventory is the committed one, and declares its problems."""

import json
import os
from pathlib import Path
from typing import Any

from chassis.problems import MEDIA_TYPE
from inventory.app import create

from tests.integration.inventory.served import settings_of

SNAPSHOT = Path("services/inventory/openapi.json")


def document() -> dict[str, Any]:
    return create(settings_of("postgresql://nobody@127.0.0.1:1/none")).openapi()


def test_the_document_is_the_committed_one() -> None:
    """`UPDATE_SNAPSHOTS=1` writes it anew; the diff is then part of the review."""
    now = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(now)

    assert SNAPSHOT.read_text() == now


def test_every_operation_declares_its_problems_as_problems() -> None:
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            assert {"401", "503"} <= set(operation["responses"]), (method, path)
            for status, answer in operation["responses"].items():
                if status.isdigit() and int(status) >= 400:
                    assert MEDIA_TYPE in answer["content"], (method, path, status)
