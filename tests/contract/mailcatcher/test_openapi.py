"""The OpenAPI document of the mail catcher is the committed one."""

import json
import os
from pathlib import Path

from notifications.catcher.app import create_catcher
from notifications.catcher.settings import CatcherSettings

SNAPSHOT = Path("services/notifications/openapi.json")


def test_the_document_is_the_committed_one() -> None:
    """`UPDATE_SNAPSHOTS=1` writes it anew; the diff is then part of the review."""
    now = json.dumps(create_catcher(CatcherSettings()).openapi(), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(now)

    assert SNAPSHOT.read_text() == now
