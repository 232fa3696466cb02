"""Counting clicks: a whole fetch is added up, then written with a handful of statements."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar

from chassis import inbox, metrics
from chassis.postgres import Connection

from shortener.domain.tallies import HOUR_MS, Count, tally
from shortener.events import Click
from shortener.store import clicks as store

CONSUMER: Final = "shortener.clicks"
EPOCH: Final = date(1970, 1, 1)

Key = TypeVar("Key")

_APPLIED = metrics.counter("shortener_clicks_applied_total", "Clicks counted.", ("kind",))


async def apply_clicks(
    conn: Connection, clicks_by_event: Mapping[str, Sequence[Click]], *, values_max: int
) -> None:
    """Count each event's clicks once, however often it was sent; runs in the consumer's transaction.

    Every process writes the tables in this order and rows by key, so that none waits for another in a circle.
    """
    fresh = await inbox.first_times(conn, CONSUMER, list(clicks_by_event))
    totals = tally(click for event_id in fresh for click in clicks_by_event[event_id])
    if not totals.links:
        return
    links = [
        (link_id, count.tenant_id, count.clicks, count.bot_clicks, _instant(count.last_ms))
        for link_id, count in totals.links.items()
    ]
    await store.add_totals(conn, *_columns(links))
    if totals.visitors:
        visitors = [(_day(day), link_id, visitor) for day, link_id, visitor in totals.visitors]
        await store.add_visitors(conn, *_columns(visitors))
    await store.add_hours(conn, *_columns(_hours(totals.hours)))
    if totals.dimensions:
        dimensions = [
            (link_id, _day(day), dimension, value, clicks)
            for (link_id, day, dimension, value), clicks in totals.dimensions.items()
        ]
        await store.add_dimensions(conn, *_columns(dimensions), values_max=values_max)
    await store.add_tenant_hours(conn, *_columns(_hours(totals.tenants)))
    _APPLIED.labels("person").inc(sum(count.clicks for count in totals.links.values()))
    _APPLIED.labels("bot").inc(sum(count.bot_clicks for count in totals.links.values()))


def _hours(counts: Mapping[tuple[Key, int], Count]) -> list[tuple[Key, datetime, int, int]]:
    return [
        (key, _instant(hour * HOUR_MS), count.clicks, count.bot_clicks)
        for (key, hour), count in counts.items()
    ]


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[Sequence[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _day(number: int) -> date:
    return EPOCH + timedelta(days=number)


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
