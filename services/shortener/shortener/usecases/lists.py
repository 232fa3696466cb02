"""Pages of a tenant's links: for a list, a search, and the export of all."""

from collections.abc import AsyncIterator
from uuid import UUID

from shortener.domain.links import Link
from shortener.store import listing as store
from shortener.usecases.resources import Resources, Tenant
from shortener.usecases.rows import links_of

_LIKE_SPECIAL = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


async def list_links(
    resources: Resources, tenant: Tenant, *, after: UUID | None, limit: int, q: str | None, tag: str | None
) -> tuple[list[Link], UUID | None]:
    """Give a page, newest first, and the id after which the next one begins, None on the last.

    `q` is looked for in slug, URL and title, in any case; `tag` must be borne exactly.
    """
    async with resources.db.acquire() as conn:
        if q is not None:
            pattern = f"%{q.translate(_LIKE_SPECIAL)}%"
            rows = await store.page_found(conn, tenant.id, after, limit + 1, tag, pattern)
        elif tag is not None:
            rows = await store.page_tagged(conn, tenant.id, after, limit + 1, tag)
        else:
            rows = await store.page(conn, tenant.id, after, limit + 1)
    links = links_of(rows[:limit])
    return links, links[-1].id if len(rows) > limit else None


async def export_links(resources: Resources, tenant: Tenant, tag: str | None) -> AsyncIterator[list[Link]]:
    """Give all links in pages, newest first.

    No connection is held between pages, however slowly a client reads: links that change meanwhile are given
    as they are when their page is read.
    """
    after: UUID | None = None
    while True:
        links, after = await list_links(
            resources, tenant, after=after, limit=resources.settings.export_page_rows, q=None, tag=tag
        )
        yield links
        if after is None:
            return
