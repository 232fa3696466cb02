"""Clicks added up: what one batch contributes to every table, pure and independent of order."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
DIRECT: Final = "(direct)"
OTHER: Final = "(other)"


class Clicked(Protocol):
    """A click as `events.Click` carries it."""

    @property
    def link_id(self) -> str: ...
    @property
    def tenant_id(self) -> str: ...
    @property
    def at(self) -> int: ...
    @property
    def bot(self) -> bool: ...
    @property
    def browser(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def referrer(self) -> str | None: ...
    @property
    def country(self) -> str | None: ...
    @property
    def visitor(self) -> str | None: ...
    @property
    def rule(self) -> int | None: ...


@dataclass(slots=True)
class Count:
    """People and bots, counted apart."""

    clicks: int = 0
    bot_clicks: int = 0
    last_ms: int = 0
    tenant_id: str = ""


@dataclass(slots=True)
class Tallies:
    """Keys hold hours and days as numbers since 1970; bots stand in no dimension and are no visitors."""

    links: defaultdict[UUID, Count] = field(default_factory=lambda: defaultdict(Count))
    hours: defaultdict[tuple[UUID, int], Count] = field(default_factory=lambda: defaultdict(Count))
    tenants: defaultdict[tuple[str, int], Count] = field(default_factory=lambda: defaultdict(Count))
    dimensions: Counter[tuple[UUID, int, str, str]] = field(default_factory=Counter)
    visitors: set[tuple[int, UUID, bytes]] = field(default_factory=set)


def tally(clicks: Iterable[Clicked]) -> Tallies:
    """Add clicks up; ValueError for an id or a visitor that is none."""
    totals = Tallies()
    ids: dict[str, UUID] = {}
    for click in clicks:
        link_id = ids.get(click.link_id)
        if link_id is None:
            link_id = ids[click.link_id] = UUID(click.link_id)
        hour = click.at // HOUR_MS
        total = totals.links[link_id]
        total.tenant_id = click.tenant_id
        total.last_ms = max(total.last_ms, click.at)
        for count in (total, totals.hours[link_id, hour], totals.tenants[click.tenant_id, hour]):
            if click.bot:
                count.bot_clicks += 1
            else:
                count.clicks += 1
        if not click.bot:
            _tally_person(totals, link_id, click)
    return totals


def _tally_person(totals: Tallies, link_id: UUID, click: Clicked) -> None:
    day = click.at // DAY_MS
    dimensions = totals.dimensions
    dimensions[link_id, day, "referrer", click.referrer or DIRECT] += 1
    dimensions[link_id, day, "browser", click.browser] += 1
    dimensions[link_id, day, "device", click.device] += 1
    if click.country is not None:
        dimensions[link_id, day, "country", click.country] += 1
    if click.rule is not None:
        dimensions[link_id, day, "rule", str(click.rule)] += 1
    if click.visitor is not None:
        totals.visitors.add((day, link_id, bytes.fromhex(click.visitor)))
