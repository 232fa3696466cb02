"""What the use cases of the management API work with; built once in main."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from chassis.once import Once
from chassis.postgres import Pool

from shortener.invalidation import Change
from shortener.settings import ShortenerSettings
from shortener.usecases.codes import CodeSource


class Publisher(Protocol):
    """Tells caches of committed changes; never raises."""

    async def publish_many(self, changes: Sequence[Change]) -> None: ...


@dataclass(frozen=True, slots=True)
class Resources:
    settings: ShortenerSettings
    db: Pool
    codes: CodeSource
    once: Once
    publisher: Publisher


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who calls: the owner of an API key, with the limits that hold for it."""

    id: str
    name: str
    rate_per_s: float
    burst: int
    links_per_month: int


def now() -> datetime:
    return datetime.now(UTC)
