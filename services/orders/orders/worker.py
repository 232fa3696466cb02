"""`python -m orders.worker`: moves the sagas, relays events, indexes dead letters, redrives them."""

import asyncio
from typing import Final, NamedTuple

from chassis import postgres, ratelimit, server
from chassis.health import Health
from chassis.kafka import Producer
from chassis.kafka.faults import Faults
from chassis.outbox import Relay, RelayLimits
from chassis.postgres import Pool
from chassis.server import StopSignal

from orders.consumers import GROUP, orders_consumer
from orders.letters import letters_consumer
from orders.payments import payments_of
from orders.settings import OrdersSettings
from orders.usecases import redrive, retention
from orders.usecases.saga import Moved
from orders.usecases.steps import Executor
from orders.usecases.sweep import Sweeper

# The API's events are found by polling: an order waits for half of this before its saga begins.
RELAY: Final = RelayLimits(poll_s=0.05)


class Desk(NamedTuple):
    """What the redrives work with."""

    settings: OrdersSettings
    db: Pool


async def run(settings: OrdersSettings, health: Health, stop: StopSignal) -> None:
    """Any number of workers may run: each piece of work is taken by one, and taken over from a dead one."""
    producer = Producer(settings)
    redis = ratelimit.connect(settings)
    faults = Faults(redis, GROUP, enabled=settings.faults_enabled)
    async with postgres.pool_of(settings) as pool, payments_of(settings) as payments:
        health.add("postgres", lambda: postgres.ping(pool), critical=False)
        relay = Relay(pool, producer, RELAY)
        executor = Executor(settings, pool, payments, told=relay.wake)

        def told(moved: Moved) -> None:
            if moved.events:
                relay.wake()
            if moved.calls_due:
                executor.wake()

        sweeper = Sweeper(settings, pool, told=told)
        await producer.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(relay.run(stop))
                group.create_task(orders_consumer(settings, pool, faults=faults, told=told).run(stop))
                group.create_task(executor.run(stop))
                group.create_task(sweeper.run(stop))
                group.create_task(sweeper.watch(stop))
                group.create_task(letters_consumer(settings, pool).run(stop))
                group.create_task(redrive.run(Desk(settings, pool), stop))
                group.create_task(retention.run(settings, pool, stop))
        finally:
            await producer.stop()
            await redis.aclose()


def main() -> None:
    settings = OrdersSettings()
    health = Health()
    server.serve_worker(settings, lambda stop: run(settings, health, stop), health)


if __name__ == "__main__":
    main()
