"""The API: parse, call one use case, shape the answer; each noun's file exports its `ROUTES`."""

from typing import Final

from fastapi import FastAPI

from payments.api import (
    admin,
    authentications,
    balances,
    charges,
    customers,
    events,
    payment_intents,
    payment_methods,
    refunds,
    setup_intents,
    webhook_endpoints,
)
from payments.dialect.routes import Route

ROUTES: Final[tuple[Route, ...]] = (
    *balances.ROUTES,
    *charges.ROUTES,
    *customers.ROUTES,
    *events.ROUTES,
    *payment_intents.ROUTES,
    *payment_methods.ROUTES,
    *refunds.ROUTES,
    *setup_intents.ROUTES,
    *webhook_endpoints.ROUTES,
)


def include(app: FastAPI) -> None:
    """What is not under /v1: routes of the framework."""
    app.include_router(admin.router)
    app.include_router(authentications.router)
