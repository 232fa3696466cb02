"""`python -m metrics_ingest.worker`: writes to the store, keeps the ledger, flies the canary."""

import asyncio
from collections.abc import Awaitable, Callable

from chassis import postgres, server
from chassis.health import Health
from chassis.kafka import Producer, ProducerLimits
from chassis.logs import get_logger
from chassis.outbox import Relay
from chassis.postgres import PASSING
from chassis.server import StopSignal

from metrics_ingest import consumers
from metrics_ingest.asking import pace_of
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.inquiry import inquiry_of
from metrics_ingest.settings import MetricsSettings
from metrics_ingest.usecases.canary import Canary
from metrics_ingest.usecases.housekeeping import drop_old_snapshots
from metrics_ingest.usecases.ledger import watch_residue
from metrics_ingest.usecases.rollups import Rollups
from metrics_ingest.usecases.writing import Writing
from metrics_ingest.victoria import StoreAway, victoria_of

log = get_logger(__name__)

_AWAY: tuple[type[Exception], ...] = (StoreAway, *PASSING)


async def run(settings: MetricsSettings, health: Health, stop: StopSignal) -> None:
    bounds = bounds_of(settings)
    # A dead letter is a record of the topic with its story.
    producer = Producer(settings, ProducerLimits(batch_bytes_max=2 * settings.record_bytes_max))
    user_agent = f"{settings.service_name}/{settings.service_version}"
    async with (
        postgres.pool_of(settings) as pool,
        victoria_of(settings.victoriametrics_url, bounds, user_agent) as store,
        inquiry_of(settings.victoriametrics_url, calls_max=1, user_agent=user_agent) as inquiry,
    ):
        health.add("postgres", lambda: postgres.ping(pool), critical=False)
        relay = Relay(pool, producer)
        writing = Writing(pool, store, bounds, relay.wake)
        canary = Canary(producer, store, bounds, instance=str(settings.http_port))
        await producer.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(consumers.writer(settings, pool, writing, bounds).run(stop))
                group.create_task(consumers.ledger_consumer(settings, pool, bounds).run(stop))
                group.create_task(relay.run(stop))
                group.create_task(Rollups(pool, inquiry, store, pace_of(settings)).run(stop))
                group.create_task(repeat(lambda: canary.fly(stop), bounds.canary_every_s, stop))
                group.create_task(repeat(lambda: watch_residue(pool), bounds.housekeeping_every_s, stop))
                group.create_task(
                    repeat(lambda: drop_old_snapshots(store, bounds), bounds.snapshots_every_s, stop)
                )
        finally:
            await producer.stop()


async def repeat(work: Callable[[], Awaitable[object]], every_s: float, stop: StopSignal) -> None:
    """Until `stop`; what it needs may be away for a while."""
    while not await stop.sleep(every_s):
        try:
            await work()
        except _AWAY as error:
            log.info("writer.work_postponed", error=type(error).__name__)


def bounds_of(settings: MetricsSettings) -> WriterBounds:
    return WriterBounds(
        barrier_every_s=settings.barrier_every_s,
        barrier_points_max=settings.barrier_points_max,
        snapshot_age_max_s=settings.snapshot_age_max_s,
        canary_every_s=settings.canary_every_s,
        partitions=settings.batches_partitions,
    )


def main() -> None:
    settings = MetricsSettings()
    health = Health()
    server.serve_worker(settings, lambda stop: run(settings, health, stop), health)


if __name__ == "__main__":
    main()
