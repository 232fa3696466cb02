"""What the framework answers: parse, call one use case, shape the answer."""

from fastapi import FastAPI

from metrics_ingest.api import cardinality, ledger, queries, rollups


def include(app: FastAPI) -> None:
    for router in (queries.router, rollups.router, ledger.router, cardinality.router):
        app.include_router(router)
