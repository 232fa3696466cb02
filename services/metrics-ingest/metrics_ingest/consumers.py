"""What the writer's process consumes: every batch twice, to store its points and to count them."""

import socket

from chassis.kafka import ConsumerLimits, ConsumerLoop
from chassis.kafka.group import GroupLoop
from chassis.postgres import Pool

from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.settings import MetricsSettings
from metrics_ingest.usecases import ledger, writing
from metrics_ingest.usecases.accept import TOPIC
from metrics_ingest.usecases.writing import Writing


def writer(settings: MetricsSettings, pool: Pool, work: Writing, bounds: WriterBounds) -> GroupLoop:
    return GroupLoop(
        settings,
        work,
        group=writing.GROUP,
        topics=[TOPIC],
        pattern=None,
        pool=pool,
        limits=ConsumerLimits(
            fetch_records_max=bounds.fetch_records_max,
            fetch_bytes_max=bounds.fetch_bytes_max,
            failure_pause_max_s=bounds.away_pause_max_s,
        ),
        instance_id=_instance(settings),
    )


def ledger_consumer(settings: MetricsSettings, pool: Pool, bounds: WriterBounds) -> ConsumerLoop:
    return ConsumerLoop(
        settings,
        group=ledger.GROUP,
        topics=[TOPIC],
        apply=ledger.count,
        pool=pool,
        limits=ConsumerLimits(
            fetch_records_max=bounds.fetch_records_max, fetch_bytes_max=bounds.fetch_bytes_max
        ),
        instance_id=_instance(settings),
    )


def _instance(settings: MetricsSettings) -> str:
    """A restart, wanted or not, takes its partitions up again at once."""
    return f"{socket.gethostname()}:{settings.http_port}"
