"""`python -m shortener.main`: the HTTP process, redirects in front and the management API behind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis import postgres, server
from chassis.health import Health
from fastapi import FastAPI
from starlette.types import ASGIApp

from shortener.hotpath import HotPath
from shortener.management import create_management, managed
from shortener.settings import ShortenerSettings


def create(settings: ShortenerSettings, health: Health) -> ASGIApp:
    """The whole service; its dependencies are shown by /readyz but decide nothing.

    Redirects go on without any of them, so taking the process out of service would only lose those.
    """
    hot = HotPath(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            postgres.pool_of(settings) as pool,
            hot.running(pool, app.state.telemetry),
            managed(app, settings, pool, hot.invalidator),
        ):
            health.add("postgres", lambda: postgres.ping(pool), critical=False)
            yield

    return hot.before(create_management(settings, lifespan=lifespan, health=health))


def main() -> None:
    settings = ShortenerSettings()  # type: ignore[call-arg]  # from the environment
    health = Health()
    server.serve(create(settings, health), settings, health=health)


if __name__ == "__main__":
    main()
