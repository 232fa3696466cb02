"""Puts the HTTP process together: main serves it, tests call it alone."""

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

from inventory import api
from inventory.problems import DatabaseAway
from inventory.resources import Resources
from inventory.settings import InventorySettings

VERSION: Final = "1.0.0"
DESCRIPTION: Final = """\
What stands on the shelf, and what of it is promised. Internal: orders is its only caller, and names the
tenant in the path. Orders reserve, confirm and release by events, not here.
"""


def create(settings: InventorySettings, health: Health | None = None) -> FastAPI:
    health = health or Health()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with postgres.pool_of(settings) as pool:
            health.add("postgres", lambda: postgres.ping(pool))
            app.state.resources = Resources.of(settings, pool)
            yield

    app = create_app(
        settings,
        title="Inventory",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        health=health,
    )
    key = settings.inventory_api_key
    app.state.key_sha256 = None if key is None else auth.hash_key(key.get_secret_value())
    for error in PASSING:
        app.add_exception_handler(error, _on_database_away)
    api.include(app)
    return app


async def _on_database_away(_request: Request, _error: Exception) -> Response:
    return problems.response(DatabaseAway(headers={"Retry-After": "1"}))
