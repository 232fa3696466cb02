"""Abuse: what people report, and the operator's takedown."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from asyncpg import Record
from chassis import metrics
from chassis.logs import get_logger
from chassis.once import Answer, Repeatable, finish
from chassis.postgres import Connection

from shortener.domain.ids import new_id
from shortener.domain.links import Link, State
from shortener.problems import LinkNotFound, ReportNotFound, ReportResolved
from shortener.store import links as link_store
from shortener.store import reports as store
from shortener.usecases import changes
from shortener.usecases.resources import Resources, now
from shortener.usecases.rows import link_of

_log = get_logger(__name__)
_REPORTS = metrics.counter("shortener_reports_total", "Abuse reports, by reason.", ("reason",))

Decision = Literal["dismiss", "takedown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    id: UUID
    link_id: UUID
    slug: str
    reason: str
    comment: str | None
    contact: str | None
    state: str
    resolution: str | None
    created_at: datetime
    resolved_at: datetime | None


async def report_link(
    resources: Resources,
    *,
    slug: str,
    reason: str,
    comment: str | None,
    contact: str | None,
    request: Repeatable | None,
    render: Callable[[Report], Answer],
) -> Answer:
    """Raises LinkNotFound, IdempotencyInFlight, IdempotencyMismatch."""

    async def work() -> Answer:
        async with resources.db.acquire() as conn, conn.transaction():
            claimed = await resources.once.claim(conn, request)
            if isinstance(claimed, Answer):
                return claimed
            report_id = new_id(int(now().timestamp() * 1000))
            row = await store.insert(conn, report_id, slug, reason, comment, contact)
            if row is None:
                raise LinkNotFound
            answer = render(_report_of(row))
            await finish(conn, claimed, answer)
        _REPORTS.labels(reason).inc()
        _log.info("report.received", report_id=str(report_id), reason=reason)
        return answer

    return await resources.once.run(request, work)


async def list_reports(
    resources: Resources, *, state: str | None, after: UUID | None, limit: int
) -> tuple[list[Report], UUID | None]:
    """Give a page, newest first, and the id after which the next one begins."""
    async with resources.db.acquire() as conn:
        rows = await store.page(conn, state, after, limit + 1)
    reports = [_report_of(row) for row in rows[:limit]]
    return reports, reports[-1].id if len(rows) > limit else None


async def resolve_report(
    resources: Resources, report_id: UUID, decision: Decision, note: str | None
) -> Report:
    """Dismiss a report, or uphold it and take its link down in the same transaction.

    Raises ReportNotFound, ReportResolved.
    """
    taken_down: Link | None = None
    async with resources.db.acquire() as conn, conn.transaction():
        held = await store.lock(conn, report_id)
        if held is None:
            raise ReportNotFound
        row = await store.resolve(conn, report_id, "upheld" if decision == "takedown" else "dismissed", note)
        if row is None:
            raise ReportResolved(f"It was {held['state']}.")
        if decision == "takedown":
            _, taken_down = await _set_state(
                conn, held["link_id"], "", State.TAKEN_DOWN, note or f"abuse: {held['reason']}"
            )
    if taken_down is not None:
        await _publish(resources, taken_down, "taken_down")
    _log.info("report.resolved", report_id=str(report_id), decision=decision)
    return _report_of(row)


async def take_down(resources: Resources, link_id: UUID | None, slug: str, reason: str) -> Link:
    """Switch a link off for good, of whichever tenant, by id or slug. Raises LinkNotFound."""
    async with resources.db.acquire() as conn, conn.transaction():
        link, changed = await _set_state(conn, link_id, slug, State.TAKEN_DOWN, reason)
    return link if changed is None else await _publish(resources, changed, "taken_down")


async def restore(resources: Resources, link_id: UUID | None, slug: str) -> Link:
    """Undo a takedown; a link that was not taken down stays as it is. Raises LinkNotFound."""
    async with resources.db.acquire() as conn, conn.transaction():
        link, changed = await _set_state(conn, link_id, slug, State.ACTIVE, None)
    return link if changed is None else await _publish(resources, changed, "restored")


async def _set_state(
    conn: Connection, link_id: UUID | None, slug: str, state: State, reason: str | None
) -> tuple[Link, Link | None]:
    """Give the link, and what it became if it changed."""
    row = await link_store.lock_any(conn, link_id, slug)
    if row is None:
        raise LinkNotFound
    link = link_of(row)
    if link.state is state or (state is State.ACTIVE and link.state is not State.TAKEN_DOWN):
        return link, None
    changed = link_of(await link_store.update_state(conn, link.id, state.value, reason))
    await changes.record(conn, changed, "taken_down" if state is State.TAKEN_DOWN else "restored")
    return changed, changed


async def _publish(resources: Resources, link: Link, what: changes.What) -> Link:
    await resources.publisher.publish_many(changes.changes_of([link]))
    changes.LINKS_CHANGED.labels(what).inc()
    _log.info("link.changed", link_id=str(link.id), tenant=link.tenant_id, change=what, version=link.version)
    return link


def _report_of(row: Record) -> Report:
    return Report(
        id=row["id"],
        link_id=row["link_id"],
        slug=row["slug"],
        reason=row["reason"],
        comment=row["comment"],
        contact=row["contact"],
        state=row["state"],
        resolution=row["resolution"],
        created_at=row["created_at"],
        resolved_at=row["resolved_at"],
    )
