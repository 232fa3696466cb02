"""Puts the bank together: main serves it, tests call it alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from chassis import auth, postgres, problems
from chassis.app import create_app
from chassis.health import Health
from chassis.postgres import PASSING
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from bank import api
from bank.faults import CardFaults, FaultLayer, Switch
from bank.problems import DatabaseAway
from bank.settings import BankSettings
from bank.usecases.once import Resources

VERSION: Final = "1.0.0"
DESCRIPTION: Final = """\
A card processor that is none: it keeps a durable book, has one effect an `Idempotency-Key`, and fails on
demand, by card or by switch, in every way in which a far end fails.
"""


def create_bank(settings: BankSettings, health: Health | None = None) -> FastAPI:
    """The bank as it means to be; `with_faults` puts the failing in front."""
    health = health or Health()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with postgres.pool_of(settings) as pool:
            health.add("postgres", lambda: postgres.ping(pool))
            app.state.resources = Resources(settings, pool)
            yield

    app = create_app(
        settings,
        title="Bank",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        health=health,
    )
    app.state.switch = Switch()
    app.state.bank_key_sha256 = auth.hash_key(settings.bank_api_key.get_secret_value())
    app.state.admin_guard = auth.admin_guard(settings)
    for error in PASSING:
        app.add_exception_handler(error, _on_database_away)
    api.include(app)
    return app


def with_faults(app: FastAPI) -> FaultLayer:
    settings: BankSettings = app.state.settings
    return FaultLayer(app, app.state.switch, CardFaults(kept_max=settings.card_faults_kept_max))


async def _on_database_away(_request: Request, _error: Exception) -> Response:
    return problems.response(DatabaseAway(headers={"Retry-After": "1"}))
