"""What notifications consumes: the ends of orders, each told at its own pace."""

import socket
from contextlib import nullcontext
from typing import Final

from chassis.kafka import ConsumerLimits, DeliveryLoop, Faults, Handlers, Incoming, Tier
from chassis.telemetry import current_traceparent, use_traceparent
from redis.asyncio import Redis

from notifications.events import ORDER_CHANGED, TOLD, UNTOLD
from notifications.resources import Resources
from notifications.settings import NotificationsSettings
from notifications.usecases.deliveries import deliver

GROUP: Final = "notifications"
TIERS: Final = ("5s", "30s", "5m")


def orders_consumer(res: Resources, redis: Redis | None) -> DeliveryLoop:
    settings = res.settings

    async def tell(incoming: Incoming) -> None:
        message = incoming.message
        # The loop's span stands for sampled messages only; the trace id travels with all of them.
        sampled = current_traceparent() is not None
        with nullcontext() if sampled else use_traceparent(message.traceparent):
            await deliver(res, incoming.event, event_id=message.event_id, redrives=message.redrives)

    handlers = Handlers(
        consumer=GROUP,
        types=TOLD,
        ignore=UNTOLD,
        faults=Faults(redis, GROUP, enabled=settings.faults_enabled),
    )
    return DeliveryLoop(
        settings,
        group=GROUP,
        topics=[ORDER_CHANGED],
        deliver=handlers.deliver(tell),
        pool=res.db,
        tiers=tiers_of(settings),
        concurrency_max=settings.deliveries_max,
        limits=ConsumerLimits(deliver_timeout_s=2 * settings.delivery_lease_s),
        # A restart, wanted or not, takes its partitions up again at once; one that is scaled away leaves them
        # idle until its session ends, which delays notices by seconds.
        instance_id=f"{socket.gethostname()}:{settings.http_port}",
    )


def tiers_of(settings: NotificationsSettings) -> list[Tier]:
    """The topics' names stay; tests shorten what they wait."""
    return [Tier(name, delay_s) for name, delay_s in zip(TIERS, settings.retry_delays_s, strict=True)]
