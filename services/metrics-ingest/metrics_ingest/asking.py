"""Puts queries and rollups together, from the settings of their process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.postgres import Pool

from metrics_ingest.domain.questions import Limits
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.inquiry import inquiry_of
from metrics_ingest.settings import MetricsSettings
from metrics_ingest.usecases.queries import Queries
from metrics_ingest.usecases.reached import Reached
from metrics_ingest.usecases.rollups import Pace
from metrics_ingest.victoria import victoria_of


@asynccontextmanager
async def queries_of(settings: MetricsSettings, pool: Pool) -> AsyncIterator[Queries]:
    """For the life of a process; an absent store is no error here."""
    url, user_agent = settings.victoriametrics_url, settings.service_name
    async with (
        inquiry_of(url, calls_max=settings.queries_at_once_max, user_agent=user_agent) as inquiry,
        victoria_of(url, WriterBounds(), user_agent) as victoria,
    ):
        yield Queries(
            inquiry,
            Reached(pool, victoria.force_flush, poll_s=settings.query_position_poll_s),
            limits_of(settings),
            answer_bytes_max=settings.query_answer_bytes_max,
            calls_max=settings.queries_at_once_max,
            queue_max=settings.queries_waiting_max,
        )


def limits_of(settings: MetricsSettings) -> Limits:
    return Limits(
        query_bytes_max=settings.query_bytes_max,
        matches_max=settings.query_matches_max,
        points_max=settings.query_points_max,
        range_s_max=settings.query_range_s_max,
        series_max=settings.query_series_max,
        timeout_s=settings.query_timeout_s,
        position_wait_s=settings.query_position_wait_s,
    )


def pace_of(settings: MetricsSettings) -> Pace:
    return Pace(
        every_s=settings.rollup_every_s,
        recheck_s=settings.rollup_recheck_s,
        grace_s=settings.rollup_grace_s,
        lease_s=settings.rollup_lease_s,
        timeout_s=settings.rollup_timeout_s,
        answer_bytes_max=settings.rollup_answer_bytes_max,
        batch_max=settings.rollup_batch_max,
    )
