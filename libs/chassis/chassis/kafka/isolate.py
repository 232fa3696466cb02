"""A failing batch is halved under savepoints until the culprit stands alone; all others are applied."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from chassis import dlq
from chassis.parking import order_key
from chassis.postgres import Connection, is_lost
from chassis.records import Message
from chassis.retry import Kind, Poison, classify

Apply = Callable[[Connection, list[Message]], Awaitable[None]]


class Unreadable(Poison):
    """Names every message of a batch that cannot be read, so that none of them has to be searched for."""

    def __init__(self, errors: Sequence[tuple[Message, Poison]]) -> None:
        super().__init__(str(errors[0][1]))
        self.errors = list(errors)


@dataclass(slots=True)
class Verdict:
    applied: list[Message] = field(default_factory=list)
    # Heads of keys to park with their errors, and everything that queues behind them.
    heads: list[tuple[Message, Exception]] = field(default_factory=list)
    queued: list[Message] = field(default_factory=list)
    dead: list[dlq.DeadLetter] = field(default_factory=list)


async def isolate(conn: Connection, messages: Sequence[Message], apply: Apply, *, attempts: int) -> Verdict:
    """Apply what can be applied; the order of each key holds, also among its failures."""
    # A key is parked in its partition: the same key elsewhere (a redriven message) has an order of its own.
    groups: dict[tuple[str, int, bytes], list[Message]] = {}
    for message in messages:
        groups.setdefault((message.topic, message.partition, order_key(message)), []).append(message)
    verdict = Verdict()
    await _halve(conn, list(groups.values()), apply, verdict, attempts)
    return verdict


async def _halve(
    conn: Connection, groups: Sequence[list[Message]], apply: Apply, verdict: Verdict, attempts: int
) -> None:
    if not groups:
        return
    messages = sorted(chain.from_iterable(groups), key=lambda m: (m.topic, m.partition, m.offset))
    error = await _try(conn, messages, apply)
    if error is None:
        verdict.applied += messages
    elif isinstance(error, Unreadable):
        verdict.dead += [dlq.DeadLetter(*one, Kind.POISON, attempts) for one in error.errors]
        await _halve(conn, _without(groups, error), apply, verdict, attempts)
    elif len(groups) > 1:
        middle = len(groups) // 2
        await _halve(conn, groups[:middle], apply, verdict, attempts)
        await _halve(conn, groups[middle:], apply, verdict, attempts)
    else:
        await _one_by_one(conn, messages, apply, verdict, attempts)


def _without(groups: Sequence[list[Message]], error: Unreadable) -> list[list[Message]]:
    gone = {(message.topic, message.partition, message.offset) for message, _ in error.errors}
    left = [[m for m in group if (m.topic, m.partition, m.offset) not in gone] for group in groups]
    return [group for group in left if group]


async def _one_by_one(
    conn: Connection, messages: Sequence[Message], apply: Apply, verdict: Verdict, attempts: int
) -> None:
    """The messages of one key: the first that fails for a passing reason holds back the rest."""
    for at, message in enumerate(messages):
        error = await _try(conn, [message], apply)
        if error is None:
            verdict.applied.append(message)
        elif (kind := classify(error)) is Kind.TRANSIENT:
            verdict.heads.append((message, error))
            verdict.queued += messages[at:]
            return
        else:
            verdict.dead.append(dlq.DeadLetter(message, error, kind, attempts))


async def _try(conn: Connection, messages: list[Message], apply: Apply) -> Exception | None:
    try:
        async with conn.transaction():
            await apply(conn, messages)
    except Exception as error:
        if is_lost(conn):
            raise
        return error
    return None
