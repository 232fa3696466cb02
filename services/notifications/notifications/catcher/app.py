"""Puts the catcher together: main serves it, tests run it in their own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from chassis import auth
from chassis.app import create_app
from chassis.health import Health
from fastapi import FastAPI

from notifications.catcher import api
from notifications.catcher.faults import Switch
from notifications.catcher.mailbox import Mailbox
from notifications.catcher.settings import CatcherSettings
from notifications.catcher.smtp import listening

VERSION: Final = "1.0.0"
DESCRIPTION: Final = """\
A mail server that delivers nothing: it keeps the newest mails in memory, shows them, and fails on demand.
"""


def create_catcher(settings: CatcherSettings, health: Health | None = None) -> FastAPI:
    """While it lives, `app.state.smtp_port` is where it takes mails."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with listening(settings, app.state.mailbox, app.state.switch) as port:
            app.state.smtp_port = port
            yield

    app = create_app(
        settings,
        title="Mailcatcher",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        health=health,
    )
    app.state.mailbox = Mailbox(settings.messages_max)
    app.state.switch = Switch()
    app.state.admin_guard = auth.admin_guard(settings)
    app.include_router(api.messages)
    app.include_router(api.admin)
    return app
