"""`python -m metrics_ingest.main`: the HTTP process, receivers in front, queries behind, StatsD beside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis import postgres, server
from chassis.health import Health
from chassis.kafka import BrokerAway, Producer
from fastapi import FastAPI

from metrics_ingest.app import create_service, new_producer, running
from metrics_ingest.asking import queries_of
from metrics_ingest.receivers.front import Front
from metrics_ingest.settings import MetricsSettings


def create(settings: MetricsSettings, health: Health) -> FastAPI:
    """The whole service; its dependencies are shown by /readyz but decide nothing.

    A process without its broker answers 503 by itself, and known series flow while Postgres is away.
    """
    before = Front()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        producer = new_producer(settings)
        await producer.start()
        try:
            async with (
                postgres.pool_of(settings) as pool,
                running(settings, pool, producer) as resources,
                queries_of(settings, pool) as queries,
            ):
                app.state.resources, app.state.queries = resources, queries
                before.open(resources)
                health.add("postgres", lambda: postgres.ping(pool), critical=False)
                health.add("kafka", lambda: _connected(producer), critical=False)
                yield
        finally:
            await producer.stop()

    return create_service(settings, lifespan=lifespan, before=before, health=health)


async def _connected(producer: Producer) -> None:
    if not producer.connected:
        raise BrokerAway("the producer has no connection")


def main() -> None:
    settings = MetricsSettings()
    health = Health()
    server.serve(create(settings, health), settings, health=health)


if __name__ == "__main__":
    main()
