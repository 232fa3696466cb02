"""Turns rows into links and links into rows."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from asyncpg import Record

from shortener.domain.links import Content, Draft, Link, State


def link_of(row: Record) -> Link:
    return Link(
        id=row["id"],
        tenant_id=row["tenant_id"],
        slug=row["slug"],
        content=Content(
            url=row["url"],
            status=row["status"],
            since=row["since"],
            until=row["until"],
            max_visits=row["max_visits"],
            tags=tuple(row["tags"]),
            rules=row["rules"],
            utm=row["utm"],
            title=row["title"],
        ),
        visits_used=row["visits_used"],
        state=State(row["state"]),
        state_reason=row["state_reason"],
        version=row["version"],
        revision=row["revision"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def links_of(rows: Sequence[Record]) -> list[Link]:
    return [link_of(row) for row in rows]


def new_row(link_id: UUID, draft: Draft, slug: str) -> dict[str, Any]:
    """A row to insert, as JSON types."""
    content = draft.content
    return {
        "id": link_id,
        "slug": slug,
        "skeleton": draft.slug.skeleton if draft.slug is not None else None,
        "url": content.url,
        "status": content.status,
        "since": content.since,
        "until": content.until,
        "max_visits": content.max_visits,
        "tags": content.tags,
        "rules": content.rules,
        "utm": content.utm,
        "title": content.title,
    }


def created_link(tenant_id: str, draft: Draft, row: dict[str, Any], stored: Record) -> Link:
    """The link that an insert made, without reading it back."""
    return Link(
        id=row["id"],
        tenant_id=tenant_id,
        slug=row["slug"],
        content=draft.content,
        revision=stored["revision"],
        created_at=stored["created_at"],
        updated_at=stored["created_at"],
    )
