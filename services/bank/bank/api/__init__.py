"""The HTTP interface: charges for merchants, faults and the book for operators."""

from fastapi import FastAPI

from bank.api import admin, charges


def include(app: FastAPI) -> None:
    app.include_router(charges.router)
    app.include_router(admin.router)
