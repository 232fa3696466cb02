"""One link: create, read, change, switch on and off, delete."""

from collections.abc import Callable
from uuid import UUID

from chassis.logs import get_logger
from chassis.once import Answer, Repeatable, finish
from chassis.postgres import Connection
from chassis.problems import Overloaded, ValidationFailed

from shortener.domain.ids import new_id
from shortener.domain.links import (
    Change,
    ChangeError,
    Content,
    Draft,
    Link,
    State,
    VisitsUsedError,
    apply_change,
)
from shortener.problems import (
    LinkNotFound,
    LinkTakenDown,
    SlugConfusable,
    SlugTaken,
    VersionMismatch,
    VisitsUsed,
)
from shortener.store import links as store
from shortener.usecases import changes, quota
from shortener.usecases.resources import Resources, Tenant, now
from shortener.usecases.rows import created_link, link_of, new_row

_log = get_logger(__name__)

Render = Callable[[Link], Answer]


async def create_link(
    resources: Resources, tenant: Tenant, draft: Draft, request: Repeatable | None, render: Render
) -> Answer:
    """Create a link, once for an Idempotency-Key; `render` makes the answer that is stored with it.

    Raises SlugTaken, SlugConfusable, QuotaExceeded, IdempotencyInFlight, IdempotencyMismatch.
    """
    return await resources.once.run(request, lambda: _create(resources, tenant, draft, request, render))


async def _create(
    resources: Resources, tenant: Tenant, draft: Draft, request: Repeatable | None, render: Render
) -> Answer:
    slug = draft.slug.text if draft.slug is not None else (await resources.codes.take(1))[0]
    async with resources.db.acquire() as conn, conn.transaction():
        claimed = await resources.once.claim(conn, request)
        if isinstance(claimed, Answer):
            return claimed
        link = await _insert(conn, resources, tenant, draft, slug)
        await changes.record_created(conn, [link], [link] if draft.slug is not None else [])
        answer = render(link)
        await finish(conn, claimed, answer)
        await quota.take(conn, tenant, 1)

    changes.LINKS_CREATED.labels("api").inc()
    _log.info("link.created", link_id=str(link.id), tenant=tenant.id, custom_slug=draft.slug is not None)
    if draft.slug is not None:
        await resources.publisher.publish_many(changes.changes_of([link]))
    return answer


async def _insert(conn: Connection, resources: Resources, tenant: Tenant, draft: Draft, slug: str) -> Link:
    row = new_row(new_id(int(now().timestamp() * 1000)), draft, slug)
    for attempt in range(resources.settings.code_attempts_max):
        stored = await store.insert(conn, tenant.id, [row])
        if stored:
            return created_link(tenant.id, draft, row, stored[0])
        if draft.slug is None:
            # Somebody chose this very word as a custom slug: the next code will do.
            row["slug"] = resources.codes.take_spare()
            if row["slug"] is None:
                break
            continue
        skeletons = [draft.slug.skeleton] if draft.slug.skeleton is not None else []
        freed = await store.free_slugs(conn, tenant.id, [slug], skeletons)
        if not freed or attempt:
            held = await store.slugs_held(conn, [slug])
            raise SlugTaken if held or draft.slug.skeleton is None else SlugConfusable
    raise Overloaded("No free code was found; try again.", headers={"Retry-After": "1"})


async def get_link(resources: Resources, tenant: Tenant, link_id: UUID) -> Link:
    """Raises LinkNotFound, also for a link of another tenant."""
    async with resources.db.acquire() as conn:
        row = await store.get(conn, tenant.id, link_id)
    if row is None:
        raise LinkNotFound
    return link_of(row)


async def change_link(
    resources: Resources, tenant: Tenant, link_id: UUID, change: Change, if_match: frozenset[int] | None
) -> Link:
    """Apply what a PATCH names; a change that changes nothing keeps the version.

    Raises LinkNotFound, VersionMismatch, VisitsUsed, ValidationFailed.
    """
    async with resources.db.acquire() as conn, conn.transaction():
        link = await _lock(conn, tenant, link_id, if_match)
        content = _changed(link, change)
        if content == link.content:
            return link
        changed = link_of(await store.update_content(conn, link.id, content))
        await changes.record(conn, changed, "updated")
    return await _published(resources, changed, "updated")


async def disable_link(
    resources: Resources, tenant: Tenant, link_id: UUID, reason: str | None, if_match: frozenset[int] | None
) -> Link:
    """Raises LinkNotFound, VersionMismatch, LinkTakenDown; a link that is disabled stays as it is."""
    return await _switch(resources, tenant, link_id, State.DISABLED, reason, if_match)


async def enable_link(
    resources: Resources, tenant: Tenant, link_id: UUID, if_match: frozenset[int] | None
) -> Link:
    """Raises LinkNotFound, VersionMismatch, LinkTakenDown; a link that is active stays as it is."""
    return await _switch(resources, tenant, link_id, State.ACTIVE, None, if_match)


async def delete_link(
    resources: Resources, tenant: Tenant, link_id: UUID, if_match: frozenset[int] | None
) -> None:
    """Raises LinkNotFound, VersionMismatch. The slug stays the tenant's own."""
    async with resources.db.acquire() as conn, conn.transaction():
        link = await _lock(conn, tenant, link_id, if_match)
        deleted = link_of(await store.delete(conn, link.id))
        await changes.record(conn, deleted, "deleted")
    await _published(resources, deleted, "deleted")


async def _switch(
    resources: Resources,
    tenant: Tenant,
    link_id: UUID,
    state: State,
    reason: str | None,
    if_match: frozenset[int] | None,
) -> Link:
    what: changes.What = "enabled" if state is State.ACTIVE else "disabled"
    async with resources.db.acquire() as conn, conn.transaction():
        link = await _lock(conn, tenant, link_id, if_match)
        if link.state is State.TAKEN_DOWN:
            raise LinkTakenDown
        if link.state is state:
            return link
        switched = link_of(await store.update_state(conn, link.id, state.value, reason))
        await changes.record(conn, switched, what)
    return await _published(resources, switched, what)


async def _lock(conn: Connection, tenant: Tenant, link_id: UUID, if_match: frozenset[int] | None) -> Link:
    row = await store.lock(conn, tenant.id, link_id)
    if row is None:
        raise LinkNotFound
    link = link_of(row)
    if if_match is not None and link.version not in if_match:
        raise VersionMismatch(f"The version is {link.version}.", headers={"ETag": f'"{link.version}"'})
    return link


def _changed(link: Link, change: Change) -> Content:
    try:
        return apply_change(link, change)
    except VisitsUsedError as error:
        raise VisitsUsed(
            f"{error.used} visits were already granted; the limit cannot fall below that.", used=error.used
        ) from error
    except ChangeError as error:
        raise ValidationFailed(
            "1 value is not valid.", errors=[{"pointer": f"/body{error.pointer}", "detail": error.detail}]
        ) from error


async def _published(resources: Resources, link: Link, what: changes.What) -> Link:
    """After the commit: the caches are told before the client is."""
    await resources.publisher.publish_many(changes.changes_of([link]))
    changes.LINKS_CHANGED.labels(what).inc()
    _log.info("link.changed", link_id=str(link.id), tenant=link.tenant_id, change=what, version=link.version)
    return link
