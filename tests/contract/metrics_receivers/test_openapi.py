"""The OpenAPI document of metrics-ingest is the committed one, and tells of every route."""

import json
import os
from pathlib import Path

from metrics_ingest.receivers.front import ROUTES

from tests.support.metrics import document

SNAPSHOT = Path("services/metrics-ingest/openapi.json")


def test_the_document_is_the_committed_one() -> None:
    """`UPDATE_SNAPSHOTS=1` writes it anew; the diff is then part of the review."""
    now = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(now)

    assert SNAPSHOT.read_text() == now


def test_every_ingestion_route_is_described() -> None:
    paths = document()["paths"]

    for path in ROUTES:
        assert {"400", "401", "413", "415", "429", "503"} <= set(paths[path]["post"]["responses"]), path
