"""Steady load of redirects: clients that never retry, and remember everything that was not right."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.chaos.shortener.wire import Answer, Wire, get
from tests.support.eventually import eventually

FOUND, NOT_FOUND = 302, 404


@dataclass
class Tally:
    """Answers by status, what was wrong in words, the slowest answer, connections told to close."""

    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    closed: int = 0

    async def more(self, count: int) -> None:
        """Wait for `count` further answers, or for the first thing that is wrong."""
        wanted = self.answers.total() + count
        await eventually(lambda: self.answers.total() >= wanted or self.wrong, timeout_s=60)

    def note(self, slug: str, answer: Answer, *, known: bool) -> None:
        self.answers[answer.status] += 1
        self.slowest_s = max(self.slowest_s, answer.seconds)
        expected = FOUND if known else NOT_FOUND
        target = f"https://example.com/{slug}" if known else None
        if (answer.status, answer.headers.get("location")) != (expected, target):
            self.wrong.append(f"{slug}: {answer.status} {answer.headers} {answer.body!r}")


@dataclass
class Client:
    """One request after another, over one connection until it is told to close it.

    With `reconnect` it then opens the next; with `fresh` it asks for the end of each connection itself.
    """

    port: int
    slugs: Sequence[str]
    strangers: Sequence[str]
    tally: Tally
    reconnect: bool = True
    fresh: bool = False
    pause_s: float = 0.0
    stopping: bool = False

    async def run(self) -> None:
        while not self.stopping:
            try:
                async with Wire(self.port) as wire:
                    await self._ask_until_closed(wire)
            except (OSError, EOFError, TimeoutError) as error:
                self.tally.wrong.append(repr(error))
                return
            if not self.reconnect:
                return

    async def _ask_until_closed(self, wire: Wire) -> None:
        while not self.stopping:
            known = not self.strangers or random.random() < 0.95  # noqa: S311
            slug = random.choice(self.slugs if known else self.strangers)  # noqa: S311
            request = get(slug)
            if self.fresh:
                request = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
            answer = await wire.ask(request)
            self.tally.note(slug, answer, known=known)
            if answer.headers.get("connection") == "close":
                self.tally.closed += 1
                return
            await asyncio.sleep(self.pause_s)


@asynccontextmanager
async def load(
    ports: Sequence[int],
    slugs: Sequence[str],
    *,
    clients: int,
    strangers: Sequence[str] = (),
    reconnect: bool = True,
    fresh: bool = False,
    pause_s: float = 0.0,
) -> AsyncIterator[Tally]:
    """Clients under way inside; on the way out each ends the request it is in, or all it can make."""
    tally = Tally()
    crowd = [
        Client(ports[n % len(ports)], slugs, strangers, tally, reconnect, fresh, pause_s)
        for n in range(clients)
    ]
    running = asyncio.gather(*(client.run() for client in crowd))
    try:
        yield tally
    finally:
        for client in crowd:
            client.stopping = reconnect
        await asyncio.wait_for(running, 60)
