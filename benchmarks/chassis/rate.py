"""How often a coroutine completes per second when a fixed number of tasks repeat it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from statistics import median


async def per_second(work: Callable[[], Awaitable[object]], *, tasks: int, seconds: float) -> float:
    ends_at = time.perf_counter() + seconds
    done = 0

    async def repeat() -> None:
        nonlocal done
        while time.perf_counter() < ends_at:
            await work()
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(repeat() for _ in range(tasks)))
    return done / (time.perf_counter() - started)


async def alternate(
    ways: Mapping[str, Callable[[], Awaitable[object]]], *, tasks: int, seconds: float = 1.5, rounds: int = 3
) -> dict[str, float]:
    """Medians of rates per second, taken in turns: A B A B ..."""
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            seen[name].append(await per_second(work, tasks=tasks, seconds=seconds))
    return {name: median(rates) for name, rates in seen.items()}
