"""`python -m shortener.worker`: counts clicks, relays the outbox, forgets what is old."""

import asyncio

from chassis import postgres, server
from chassis.health import Health
from chassis.kafka import Producer
from chassis.logs import get_logger
from chassis.outbox import Relay
from chassis.postgres import UNAVAILABLE, Pool
from chassis.server import StopSignal

from shortener.consumers import clicks_consumer
from shortener.settings import ShortenerSettings
from shortener.usecases.retention import reap

log = get_logger(__name__)


async def run(settings: ShortenerSettings, health: Health, stop: StopSignal) -> None:
    producer = Producer(settings)
    async with postgres.pool_of(settings) as pool:
        health.add("postgres", lambda: postgres.ping(pool), critical=False)
        await producer.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(clicks_consumer(settings, pool).run(stop))
                group.create_task(Relay(pool, producer).run(stop))
                group.create_task(reap_now_and_then(settings, pool, stop))
        finally:
            await producer.stop()


async def reap_now_and_then(settings: ShortenerSettings, pool: Pool, stop: StopSignal) -> None:
    while not await stop.sleep(settings.reap_every_s):
        try:
            deleted = await reap(pool, settings)
        except UNAVAILABLE as error:
            log.info("retention.postponed", error=type(error).__name__)
        else:
            log.info("retention.reaped", rows=deleted)


def main() -> None:
    settings = ShortenerSettings()  # type: ignore[call-arg]  # from the environment
    health = Health()
    server.serve_worker(settings, lambda stop: run(settings, health, stop), health)


if __name__ == "__main__":
    main()
