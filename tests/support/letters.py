"""Dead letters made by hand, as consumers bury them, and a desk to work on them with."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from chassis import dlq, postgres
from chassis.dlq import DeadLetter
from chassis.postgres import Pool
from chassis.records import JSON, Message, Origin, Record
from chassis.retry import Kind as Why
from chassis.retry import Permanent
from chassis.server import StopSignal
from orders.domain import letters
from orders.domain.letters import Death, Filter, Kind, Order, Resolved, death_of
from orders.settings import OrdersSettings
from orders.usecases import dead_letters, redrive

Json = dict[str, Any]

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
AT = datetime(2030, 1, 31, 12, tzinfo=UTC)


class Misfit(Permanent):
    """What the handlers of these tests raise."""


def message_of(offset: int, *, key: str = "A", topic: str = "t.v1", **changed: Any) -> Message:
    made = Message(
        topic=topic,
        partition=0,
        offset=offset,
        key=key.encode(),
        value=f'{{"n": {offset}}}'.encode(),
        headers=(
            ("ce_id", f"event-{offset}".encode()),
            ("ce_type", b"t.happened.v1"),
            ("content-type", JSON),
            ("traceparent", f"00-{TRACE_ID}-00f067aa0ba902b7-01".encode()),
        ),
        timestamp_ms=1_893_456_000_000,
    )
    return msgspec.structs.replace(made, **changed)


def buried(
    message: Message, *, group: str = "orders", at: datetime = AT, error: Exception | None = None
) -> Message:
    """The record in the DLQ topic, as the index receives it."""
    letter = DeadLetter(message, error or Misfit("does not fit"), Why.PERMANENT, attempts=4)
    return received(dlq.record_of(letter, group, at=at), offset=message.origin.offset)


def received(record: Record, *, offset: int = 0) -> Message:
    return Message(
        topic=record.topic,
        partition=0,
        offset=offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        timestamp_ms=1_893_456_000_000,
    )


def death(offset: int, **named: Any) -> Death:
    """`group`, `at`, `error` are of the death, the rest is of the message."""
    of_death = {name: named.pop(name) for name in ("group", "at", "error") if name in named}
    return death_of(buried(message_of(offset, **named), **of_death))


def died_again(first: Death, redrives: int, **changed: Any) -> Death:
    return replace(first, redrives=redrives, **changed)


def order_of(kind: Kind = Kind.REDRIVE, **named: Any) -> Order:
    """Fast, unless `rate` says otherwise; what is no part of an order is part of its filter."""
    ours = {name: named.pop(name) for name in ("rate", "letters_max", "dry_run", "actor") if name in named}
    base: Json = {"rate": 5_000.0, "letters_max": 10_000, "actor": "test"}
    return Order(kind=kind, filter=Filter(**named), **(base | ours))


@dataclass(frozen=True, slots=True)
class Desk:
    settings: OrdersSettings
    db: Pool

    async def index(self, *told: Death | Resolved) -> None:
        """As one batch of the index's consumer."""
        deaths = [one for one in told if isinstance(one, Death)]
        resolved = [one for one in told if isinstance(one, Resolved)]
        async with self.db.acquire() as conn, conn.transaction():
            await dead_letters.record(conn, deaths, resolved)

    async def letters(self, **named: Any) -> list[letters.Letter]:
        found, _ = await dead_letters.page(self, Filter(**named), before=None, limit=10_000)
        return found[::-1]

    async def states(self) -> dict[int, str]:
        return {letter.origin.offset: letter.state.value for letter in await self.letters()}

    async def history(self, letter_id: UUID) -> list[tuple[str, int]]:
        whole = await dead_letters.show(self, letter_id)
        return [(action.action, action.redrives) for action in whole.actions]

    async def rows(self, statement: str, *values: Any) -> list[Json]:
        async with self.db.acquire() as conn:
            return [dict(row) for row in await conn.fetch(statement, *values)]

    async def sent(self) -> list[Json]:
        """What waits in the outbox, in order."""
        return await self.rows(
            """
            SELECT topic, key, value, header_names, header_values, created_at FROM outbox ORDER BY id
            """
        )

    async def sent_offsets(self) -> list[int]:
        return [int(header(row, "origin-offset")) for row in await self.sent()]

    async def everything(self) -> list[Json]:
        """What a dry run and a second run must not change."""
        return [
            *await self.rows("SELECT d::text FROM dead_letters AS d ORDER BY ordinal"),
            *await self.rows("SELECT a::text FROM dead_letter_actions AS a ORDER BY id"),
            *await self.rows("SELECT o::text FROM outbox AS o ORDER BY id"),
        ]


def header(row: Json, name: str) -> str:
    values = dict(zip(row["header_names"], row["header_values"], strict=True))
    return bytes(values[name]).decode()


def resolved_of(death_: Death, redrives: int) -> Resolved:
    return Resolved(group=death_.group, origin=Origin(*death_.origin), redrives=redrives)


@asynccontextmanager
async def desk_of(settings: OrdersSettings) -> AsyncIterator[Desk]:
    async with postgres.pool_of(settings) as pool:
        yield Desk(settings, pool)


@asynccontextmanager
async def working(*desks: Desk) -> AsyncIterator[None]:
    """The worker's part of it, once a desk."""
    stop = StopSignal()
    tasks = [asyncio.create_task(redrive.run(desk, stop)) for desk in desks]
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(15):
            await asyncio.gather(*tasks)


def offsets(found: Sequence[letters.Letter]) -> list[int]:
    return [letter.origin.offset for letter in found]
