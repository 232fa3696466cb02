"""`python -m notifications.worker`: tells of orders, relays what must come again, forgets what is old."""

import asyncio
from contextlib import AsyncExitStack

from chassis import postgres, ratelimit, server
from chassis.health import Health
from chassis.kafka import Producer
from chassis.outbox import Relay
from chassis.server import StopSignal

from notifications.consumers import orders_consumer
from notifications.links import links_of
from notifications.mailer import mailer_of
from notifications.resources import Resources
from notifications.settings import NotificationsSettings
from notifications.usecases import retention
from notifications.webhooks import webhooks_of


async def run(settings: NotificationsSettings, health: Health, stop: StopSignal) -> None:
    """Any number may run: a partition is one worker's, a delivery one attempt's."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(postgres.pool_of(settings))
        health.add("postgres", lambda: postgres.ping(pool), critical=False)
        res = Resources(
            settings=settings,
            db=pool,
            mailer=await stack.enter_async_context(mailer_of(settings)),
            links=await stack.enter_async_context(links_of(settings)),
            webhooks=await stack.enter_async_context(webhooks_of(settings)),
        )
        redis = ratelimit.connect(settings) if settings.faults_enabled else None
        if redis is not None:
            stack.push_async_callback(redis.aclose)
        producer = Producer(settings)
        stack.push_async_callback(producer.stop)
        await producer.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(orders_consumer(res, redis).run(stop))
            group.create_task(Relay(pool, producer).run(stop))
            group.create_task(retention.run(res, stop))


def main() -> None:
    settings = NotificationsSettings()
    health = Health()
    server.serve_worker(settings, lambda stop: run(settings, health, stop), health)


if __name__ == "__main__":
    main()
