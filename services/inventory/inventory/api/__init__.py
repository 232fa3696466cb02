"""The HTTP interface: stock and receipts, reservations, the reconcile."""

from fastapi import FastAPI

from inventory.api import admin, reservations, stock


def include(app: FastAPI) -> None:
    app.include_router(stock.router)
    app.include_router(reservations.router)
    app.include_router(admin.router)
