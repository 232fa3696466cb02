"""`python -m inventory.worker`: answers the sagas, relays the answers, ends what was held too long."""

import asyncio
from collections.abc import Awaitable, Callable

from chassis import postgres, ratelimit, server
from chassis.health import Health
from chassis.kafka import Producer
from chassis.kafka.faults import Faults
from chassis.logs import get_logger
from chassis.outbox import Relay
from chassis.postgres import PASSING
from chassis.server import StopSignal

from inventory.consumers import GROUP, commands_consumer
from inventory.resources import Resources
from inventory.settings import InventorySettings
from inventory.usecases import gauges, reservations, retention

_log = get_logger(__name__)


async def run(settings: InventorySettings, health: Health, stop: StopSignal) -> None:
    """Any number of workers may run: partitions, shards and due reservations are each one's at a time."""
    producer = Producer(settings)
    redis = ratelimit.connect(settings)
    faults = Faults(redis, GROUP, enabled=settings.faults_enabled)
    async with postgres.pool_of(settings) as pool:
        health.add("postgres", lambda: postgres.ping(pool), critical=False)
        res = Resources.of(settings, pool)
        relay = Relay(pool, producer)
        await producer.start()
        try:
            async with asyncio.TaskGroup() as group:
                # Replies leave at once: an order waits for them.
                group.create_task(commands_consumer(settings, pool, faults, applied=relay.wake).run(stop))
                group.create_task(relay.run(stop))
                group.create_task(sweep(res, stop))
                group.create_task(
                    now_and_then("retention", settings.reap_every_s, lambda: retention.reap(res), stop)
                )
                group.create_task(now_and_then("gauges", settings.report_s, lambda: gauges.report(res), stop))
        finally:
            await producer.stop()
            await redis.aclose()


async def sweep(res: Resources, stop: StopSignal) -> None:
    """Batch after batch while they are full, then at every turn."""
    expired = 0
    while expired >= res.settings.expiry_batch_max or not await stop.sleep(res.settings.expiry_poll_s):
        if stop.is_set():
            return
        try:
            expired = await reservations.expire_due(res)
        except PASSING as error:
            expired = 0
            _log.info("expiry.postponed", error=type(error).__name__)


async def now_and_then(
    name: str, every_s: float, work: Callable[[], Awaitable[None]], stop: StopSignal
) -> None:
    """What may fail for a while, and is done again at the next turn."""
    while not await stop.sleep(every_s):
        try:
            await work()
        except PASSING as error:
            _log.info(f"{name}.postponed", error=type(error).__name__)


def main() -> None:
    settings = InventorySettings()
    health = Health()
    server.serve_worker(settings, lambda stop: run(settings, health, stop), health)


if __name__ == "__main__":
    main()
