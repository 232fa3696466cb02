"""A short link: what it holds, what may be changed, and in which state."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from shortener.domain.slugs import Slug


class State(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"  # by its tenant, who may enable it again
    TAKEN_DOWN = "taken_down"  # by the operator: its tenant can neither enable it nor free its slug


class ChangeError(ValueError):
    """A change that contradicts what the link holds; `pointer` is the JSON pointer of the field at fault."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail


class VisitsUsedError(ValueError):
    """A limit of visits below the number that were already granted."""

    def __init__(self, used: int) -> None:
        super().__init__(f"{used} visits were already used")
        self.used = used


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the tenant decides about a link, and may change later."""

    url: str
    status: int = 302
    since: datetime | None = None
    until: datetime | None = None
    max_visits: int | None = None
    tags: tuple[str, ...] = ()
    rules: list[dict[str, Any]] | None = None
    utm: dict[str, str] | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A link to be created; without a slug it gets a generated code."""

    content: Content
    slug: Slug | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    id: UUID
    tenant_id: str
    slug: str
    content: Content
    visits_used: int = 0
    state: State = State.ACTIVE
    state_reason: str | None = None
    version: int = 1
    revision: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """The fields of a Content that a PATCH names; what it does not name stays."""

    named: Mapping[str, Any] = field(default_factory=dict)


_DEFAULTS: dict[str, Any] = {one.name: one.default for one in fields(Content) if one.name != "url"}


def check_content(content: Content) -> None:
    """Raises ChangeError when the window of validity is empty."""
    if content.since is not None and content.until is not None and content.since >= content.until:
        raise ChangeError("/until", "`until` lies after `since`.")


def apply_change(link: Link, change: Change) -> Content:
    """The content after the change; null takes a field back to its default.

    Raises ChangeError, or VisitsUsedError when `max_visits` falls below what was granted.
    """
    named: dict[str, Any] = {
        name: _DEFAULTS[name] if value is None and name in _DEFAULTS else value
        for name, value in change.named.items()
    }
    content = replace(link.content, **named)
    check_content(content)
    if "max_visits" in named and content.max_visits is not None and content.max_visits < link.visits_used:
        raise VisitsUsedError(link.visits_used)
    return content
