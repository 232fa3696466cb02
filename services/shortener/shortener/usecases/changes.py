"""Every change of a link is told of in its transaction: to the caches and, through the outbox, to Kafka."""

from collections.abc import Sequence
from typing import Any, Final, Literal

from chassis import metrics, outbox
from chassis.postgres import Connection

from shortener import invalidation
from shortener.domain.links import Link

EVENT_TYPE: Final = "shortener.link-changed.v1"

_EVENTS_AT_ONCE: Final = 500  # each slice ends in a round trip, so other requests get their turn

What = Literal["created", "updated", "disabled", "enabled", "taken_down", "restored", "deleted"]

LINKS_CREATED = metrics.counter("shortener_links_created_total", "Links created, by way in.", ("via",))
LINKS_CHANGED = metrics.counter("shortener_links_changed_total", "Changes of links.", ("change",))


async def record(conn: Connection, link: Link, what: What) -> None:
    """For use in the transaction of the change."""
    await invalidation.record(conn, link.slug, link.revision)
    await outbox.add(conn, _event(link, what))


async def record_created(conn: Connection, links: Sequence[Link], cached: Sequence[Link]) -> None:
    """`cached`: those that somebody may have asked for before; nobody can have asked for a generated code."""
    await invalidation.record_many(conn, changes_of(cached))
    for start in range(0, len(links), _EVENTS_AT_ONCE):
        await outbox.add_many(
            conn, [_event(link, "created") for link in links[start : start + _EVENTS_AT_ONCE]]
        )


def changes_of(links: Sequence[Link]) -> list[invalidation.Change]:
    return [invalidation.Change(link.slug, link.revision) for link in links]


def _event(link: Link, what: What) -> outbox.Event:
    """The target stays out: it may hold what only the tenant should know."""
    data: dict[str, Any] = {
        "change": what,
        "link_id": str(link.id),
        "tenant_id": link.tenant_id,
        "slug": link.slug,
        "state": link.state.value,
        "version": link.version,
        "revision": link.revision,
        "changed_at": link.updated_at.isoformat(),
    }
    return outbox.Event(type=EVENT_TYPE, key=str(link.id), data=data, sequence=link.version)
