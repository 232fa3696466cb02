"""The HTTP API: parse, call one use case, shape the answer."""

from typing import Final

from fastapi import APIRouter, FastAPI

from orders.api import dead_letters, faults, orders, products, reconcile, sagas

# In the order of the document: what tenants call, then what the operator calls.
ROUTERS: Final[tuple[APIRouter, ...]] = (
    orders.router,
    products.router,
    sagas.router,
    reconcile.router,
    dead_letters.router,
    faults.router,
)


def include(app: FastAPI) -> None:
    for router in ROUTERS:
        app.include_router(router)
