"""Many links in one request: set-based, a few statements whatever the number of rows."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chassis.logs import get_logger
from chassis.once import Answer, Repeatable, finish
from chassis.postgres import Connection
from chassis.problems import Overloaded, Problem, type_uri

from shortener.domain.ids import new_ids
from shortener.domain.links import Draft, Link
from shortener.problems import BulkConflict, BulkRefused, SlugConfusable, SlugTaken
from shortener.store import links as store
from shortener.usecases import changes, quota
from shortener.usecases.resources import Resources, Tenant, now
from shortener.usecases.rows import created_link, new_row

_log = get_logger(__name__)

YIELD_EVERY: Final = 200  # rows worked on between two turns of the event loop: redirects go on beside a bulk

Outcome = Link | Problem
Render = Callable[[Sequence[Outcome]], Awaitable[Answer]]


@dataclass(slots=True)
class _Batch:
    """Rows on their way into the table; `outcomes` has one place a draft."""

    tenant: Tenant
    drafts: Sequence[Draft | Problem]
    rows: dict[int, dict[str, Any]]
    outcomes: list[Outcome | None]

    def missing(self) -> list[int]:
        return [index for index in self.rows if self.outcomes[index] is None]

    def draft(self, index: int) -> Draft:
        draft = self.drafts[index]
        assert isinstance(draft, Draft)  # noqa: S101 only drafts became rows
        return draft

    def links(self) -> list[Link]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, Link)]

    def custom_links(self) -> list[Link]:
        """Links whose slug somebody chose, and so may have asked for before."""
        return [
            outcome
            for index, outcome in enumerate(self.outcomes)
            if isinstance(outcome, Link) and self.draft(index).slug is not None
        ]


async def create_links(
    resources: Resources,
    tenant: Tenant,
    drafts: Sequence[Draft | Problem],
    request: Repeatable | None,
    render: Render,
    *,
    atomic: bool,
    via: str,
) -> Answer:
    """Create all of the drafts or, unless `atomic`, those that can be; what is no draft is refused already.

    Raises IdempotencyInFlight, IdempotencyMismatch; when `atomic` BulkRefused, BulkConflict, QuotaExceeded.
    """
    return await resources.once.run(
        request, lambda: _create_all(resources, tenant, drafts, request, render, atomic=atomic, via=via)
    )


async def _create_all(
    resources: Resources,
    tenant: Tenant,
    drafts: Sequence[Draft | Problem],
    request: Repeatable | None,
    render: Render,
    *,
    atomic: bool,
    via: str,
) -> Answer:
    if atomic:
        _refuse_if_any(drafts)
    batch = await _prepare(resources, tenant, drafts)
    async with resources.db.acquire() as conn, conn.transaction():
        claimed = await resources.once.claim(conn, request)
        if isinstance(claimed, Answer):
            return claimed
        await _insert_all(conn, resources, batch)
        if atomic:
            _refuse_if_any([outcome for outcome in batch.outcomes if outcome is not None])
            await quota.take(conn, tenant, len(drafts))
        else:
            await _keep_within_quota(conn, batch)
        await changes.record_created(conn, batch.links(), batch.custom_links())
        answer = await render([outcome for outcome in batch.outcomes if outcome is not None])
        await finish(conn, claimed, answer)

    created = len(batch.links())
    changes.LINKS_CREATED.labels(via).inc(created)
    _log.info("links.created", tenant=tenant.id, via=via, created=created, refused=len(drafts) - created)
    await resources.publisher.publish_many(changes.changes_of(batch.custom_links()))
    return answer


async def _prepare(resources: Resources, tenant: Tenant, drafts: Sequence[Draft | Problem]) -> _Batch:
    """Codes and ids are made before the transaction: the lease of codes has a connection of its own."""
    ids = new_ids(int(now().timestamp() * 1000), len(drafts))
    wanted = sum(isinstance(draft, Draft) and draft.slug is None for draft in drafts)
    codes = iter(await resources.codes.take(wanted))
    rows: dict[int, dict[str, Any]] = {}
    outcomes: list[Outcome | None] = []
    for index, draft in enumerate(drafts):
        if index % YIELD_EVERY == 0:
            await asyncio.sleep(0)
        if isinstance(draft, Draft):
            slug = draft.slug.text if draft.slug is not None else next(codes)
            rows[index] = new_row(ids[index], draft, slug)
            outcomes.append(None)
        else:
            outcomes.append(draft)
    return _Batch(tenant, drafts, rows, outcomes)


async def _insert_all(conn: Connection, resources: Resources, batch: _Batch) -> None:
    """Three statements when slugs collide, one when none does."""
    await _insert(conn, batch, list(batch.rows))
    if batch.missing():
        await _free_own_slugs(conn, batch)
        for index in batch.missing():
            if batch.draft(index).slug is None:
                batch.rows[index]["slug"] = resources.codes.take_spare() or batch.rows[index]["slug"]
        await _insert(conn, batch, batch.missing())
        await _name_conflicts(conn, batch)


async def _insert(conn: Connection, batch: _Batch, indexes: Sequence[int]) -> None:
    by_id = {batch.rows[index]["id"]: index for index in indexes}
    rows = await store.insert(conn, batch.tenant.id, [batch.rows[index] for index in indexes])
    for count, stored in enumerate(rows):
        if count % YIELD_EVERY == 0:
            await asyncio.sleep(0)
        index = by_id[stored["id"]]
        batch.outcomes[index] = created_link(batch.tenant.id, batch.draft(index), batch.rows[index], stored)


async def _free_own_slugs(conn: Connection, batch: _Batch) -> None:
    chosen = [slug for index in batch.missing() if (slug := batch.draft(index).slug) is not None]
    skeletons = [slug.skeleton for slug in chosen if slug.skeleton is not None]
    if chosen:
        await store.free_slugs(conn, batch.tenant.id, [slug.text for slug in chosen], skeletons)


async def _name_conflicts(conn: Connection, batch: _Batch) -> None:
    missing = batch.missing()
    if not missing:
        return
    held = set(await store.slugs_held(conn, [batch.rows[index]["slug"] for index in missing]))
    for index in missing:
        slug = batch.draft(index).slug
        if slug is None:
            batch.outcomes[index] = Overloaded("No free code was found; try again.")
        else:
            batch.outcomes[index] = SlugTaken() if slug.text in held else SlugConfusable()


async def _keep_within_quota(conn: Connection, batch: _Batch) -> None:
    """The last rows go when the quota does not allow all of them."""
    links = [index for index, outcome in enumerate(batch.outcomes) if isinstance(outcome, Link)]
    allowed = await quota.take_up_to(conn, batch.tenant, len(links))
    excess = links[allowed:]
    if excess:
        await store.remove(conn, batch.tenant.id, [batch.rows[index]["id"] for index in excess])
        for index in excess:
            batch.outcomes[index] = quota.exceeded(batch.tenant)


def _refuse_if_any(outcomes: Sequence[Draft | Outcome]) -> None:
    problems = [(index, one) for index, one in enumerate(outcomes) if isinstance(one, Problem)]
    if not problems:
        return
    conflicts = all(isinstance(problem, (SlugTaken, SlugConfusable)) for _, problem in problems)
    kind = BulkConflict if conflicts else BulkRefused
    raise kind(
        f"{len(problems)} of {len(outcomes)} rows cannot be created, so none was.",
        items=[{"index": index, "problem": problem_member(problem)} for index, problem in problems],
    )


def problem_member(problem: Problem) -> dict[str, Any]:
    """A row's problem, inside an answer that tells of many."""
    return {
        "type": type_uri(problem.code),
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        **problem.members,
    }
