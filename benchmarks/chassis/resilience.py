"""How far retries multiply the load on a server that is down: naive ones, and on a budget."""

import time

from chassis.resilience import RetryBudget, retry

from benchmarks._frame import Row, less_is_better
from benchmarks.chassis.servers import run

CALLS = 2_000
ATTEMPTS = 3
# The caller, its gateway and that one's gateway: each retries what the layer below gave up.
LAYERS = 3


class DownError(ConnectionError):
    """What the server answers."""


class Server:
    """Refuses everything and counts."""

    def __init__(self) -> None:
        self.asked = 0

    async def call(self) -> None:
        self.asked += 1
        raise DownError


def measure() -> list[Row]:
    naive_layers, naive_once, budgeted = run(_measure())
    return [
        less_is_better(
            "calls a request: budget / retries in 3 layers", budgeted, naive_layers, unit="x", goal=10.0
        ),
        less_is_better(
            "calls a request: budget / retries in one layer", budgeted, naive_once, unit="x", goal=2.0
        ),
    ]


async def _measure() -> tuple[float, float, float]:
    layered, once, budgeted = Server(), Server(), Server()
    budget = RetryBudget(clock=_still)
    for _ in range(CALLS):
        await _naively(layered, LAYERS)
        await _naively(once, 1)
        await _on_budget(budgeted, budget)
    return layered.asked / CALLS, once.asked / CALLS, budgeted.asked / CALLS


_BEGAN = time.monotonic()


def _still() -> float:
    """Time stands still: no tokens but those that calls earn, as in the first second of an outage."""
    return _BEGAN


async def _naively(server: Server, layers: int) -> None:
    for _ in range(ATTEMPTS):
        try:
            if layers == 1:
                await server.call()
            else:
                await _naively(server, layers - 1)
        except DownError:
            continue


async def _on_budget(server: Server, budget: RetryBudget) -> None:
    try:
        await retry(
            server.call, name="bench", on=(DownError,), budget=budget, attempts=ATTEMPTS, base_s=0, cap_s=0
        )
    except DownError:
        return
