"""The index of dead letters: keeping it, listing and showing it."""

from collections.abc import Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from chassis import metrics
from chassis.postgres import Connection, Pool
from chassis.records import Origin

from orders.domain.letters import Action, Death, Filter, Letter, Resolved, State, Whole
from orders.problems import LetterNotFound
from orders.settings import OrdersSettings
from orders.store import dead_letters as store

ACTIONS_SHOWN_MAX: Final = 200
# The index is a consumer group too: what it cannot read is a letter of its own.
INDEX: Final = "dead-letters"
OTHER: Final = "other"

_LETTERS = metrics.gauge("dead_letters", "Dead letters in the index.", ("group", "state"))


class Desk(Protocol):
    """What the use cases of dead letters work with: the service's resources, or less."""

    @property
    def settings(self) -> OrdersSettings: ...
    @property
    def db(self) -> Pool: ...


async def record(conn: Connection, deaths: Sequence[Death], resolved: Sequence[Resolved]) -> None:
    """Part of a consumer's transaction. Whatever is told again, or late, changes nothing."""
    if deaths:
        await store.record_deaths(conn, deaths)
    if resolved:
        await store.record_resolved(conn, resolved)


async def page(
    desk: Desk, wanted: Filter, *, before: int | None, limit: int
) -> tuple[list[Letter], int | None]:
    """Newest first; the second part is where the next page begins, None on the last."""
    async with desk.db.acquire() as conn:
        rows = await store.page(conn, wanted, before=before, limit=limit + 1)
    letters = [letter_of(row) for row in rows[:limit]]
    return letters, letters[-1].ordinal if len(rows) > limit else None


async def show(desk: Desk, letter_id: UUID) -> Whole:
    """Raises LetterNotFound."""
    async with desk.db.acquire() as conn:
        row = await store.whole(conn, letter_id)
        if row is None:
            raise LetterNotFound
        actions = await store.actions(conn, letter_id, limit=ACTIONS_SHOWN_MAX)
    return Whole(
        letter=letter_of(row),
        value=row["value"],
        headers=tuple(zip(row["header_names"], row["header_values"], strict=True)),
        place=Origin(row["dlq_topic"], row["dlq_partition"], row["dlq_offset"]),
        actions=tuple(Action(**action) for action in actions),
    )


async def measure(desk: Desk) -> None:
    """Set the gauges; groups that nobody knows are counted together, for a header can say anything."""
    async with desk.db.acquire() as conn:
        rows = await store.count(conn)
    known = (*desk.settings.redrivable, INDEX, OTHER)
    counts = {(group, state): 0 for group in known for state in State}
    for row in rows:
        group = row["consumer_group"] if row["consumer_group"] in known else OTHER
        counts[group, State(row["state"])] += row["letters"]
    for labels, letters in counts.items():
        _LETTERS.labels(*labels).set(letters)


def letter_of(row: Any) -> Letter:
    return Letter(
        id=row["id"],
        ordinal=row["ordinal"],
        group=row["consumer_group"],
        origin=Origin(row["topic"], row["partition"], row["message_offset"]),
        key=row["key"],
        event_type=row["event_type"],
        reason=row["reason"],
        error_class=row["error_class"],
        error=row["error"],
        attempts=row["attempts"],
        redrives=row["redrives"],
        trace_id=row["trace_id"],
        failed_at=row["failed_at"],
        state=State(row["state"]),
        updated_at=row["updated_at"],
    )
