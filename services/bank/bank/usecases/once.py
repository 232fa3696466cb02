"""One effect and one answer an Idempotency-Key, whatever died in between (ADR-0008)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from chassis import idempotency, problems
from chassis.postgres import Connection, Pool
from chassis.problems import Problem

from bank.problems import KeyInFlight, KeyMismatch
from bank.settings import BankSettings

SCOPE: Final = "bank"
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Resources:
    """Built once in main."""

    settings: BankSettings
    db: Pool


@dataclass(frozen=True, slots=True)
class Answer:
    """What the merchant gets, kept byte for byte for the repeats of its request; `outcome` is for metrics."""

    status: int
    body: bytes
    outcome: str = field(default="replayed", compare=False)
    replayed: bool = False

    @classmethod
    def of(cls, status: int, document: dict[str, Any], outcome: str) -> "Answer":
        return cls(status, _encode(document), outcome)

    @classmethod
    def refusing(cls, problem: Problem, outcome: str) -> "Answer":
        """A refusal that is final, and therefore kept like any other answer."""
        return cls(problem.status, problems.encode(problem), outcome)


async def once(
    bank: Resources, key: str, parameters: list[Any], work: Callable[[Connection], Awaitable[Answer]]
) -> Answer:
    """Key, effect and answer in one transaction; what `work` raises leaves the key free.

    Raises KeyMismatch, and KeyInFlight when another request still holds the key after a while.
    """
    digest = idempotency.fingerprint(parameters)
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + bank.settings.key_wait_s
    while True:
        async with bank.db.acquire() as conn, conn.transaction():
            outcome = await idempotency.claim(conn, SCOPE, key, digest)
            match outcome:
                case idempotency.Claimed():
                    answer = await work(conn)
                    await idempotency.finish(conn, outcome, answer.status, {}, answer.body)
                    return answer
                case idempotency.Replay(status, _, body):
                    return Answer(status, body, replayed=True)
                case idempotency.Mismatch():
                    raise KeyMismatch
        if loop.time() >= give_up_at:
            raise KeyInFlight
        await asyncio.sleep(bank.settings.key_poll_s)
