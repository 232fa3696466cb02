"""Catches operations at a recovery point: begun but not done by the bank, or done and not yet settled."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tests.chaos.payments.conftest import Chaos
from tests.support.eventually import eventually
from tests.support.processes import connected

SLOW_MS = 700

# `window(chaos, count, begin)`: `begin` sets `count` operations going.
Window = Callable[[Chaos, int, Callable[[], object]], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def before_the_effect(chaos: Chaos, count: int, begin: Callable[[], object]) -> AsyncIterator[None]:
    """Inside, the bank holds every request and has done nothing; on the way out it works again."""
    await chaos.stack.fault("hang")
    await _struck(chaos, "hang", count, begin)
    yield
    await chaos.stack.fault(None)


@asynccontextmanager
async def after_the_effect(chaos: Chaos, count: int, begin: Callable[[], object]) -> AsyncIterator[None]:
    """Inside, the bank has done it all, and payments cannot write it down: the operations are locked."""
    before = await effects(chaos)
    await chaos.stack.fault("slow", delay_ms=SLOW_MS)
    await _struck(chaos, "slow", count, begin)
    async with connected(chaos.stack.payments_dsn) as conn, conn.transaction():
        held = await conn.fetch("SELECT FROM bank_operations WHERE state <> 'done' FOR UPDATE", timeout=5)
        assert len(held) == count
        await eventually(lambda: effects(chaos), accept=lambda now: now == before + count, interval_s=0.01)
        yield
    await chaos.stack.fault(None)


async def _struck(chaos: Chaos, kind: str, count: int, begin: Callable[[], object]) -> None:
    """The bank has that many more requests in its hands."""
    series = f'bank_faults_total{{kind="{kind}"}}'
    before = await chaos.stack.bank.metric(series)
    begin()
    await eventually(
        lambda: chaos.stack.bank.metric(series), accept=lambda now: now == before + count, interval_s=0.01
    )


async def effects(chaos: Chaos) -> int:
    """How many keys the bank has acted on."""
    async with connected(chaos.stack.bank_dsn) as conn:
        return int(await conn.fetchval("SELECT count(*) FROM idempotency_keys"))


async def all_done(chaos: Chaos, *, within_s: float = 30.0) -> None:
    """No operation is under way any more."""

    async def still_open() -> list[str]:
        return [row["kind"] for row in await chaos.merchant.operations() if row["state"] != "done"]

    await eventually(still_open, timeout_s=within_s, accept=lambda kinds: not kinds)


async def all_due(chaos: Chaos, count: int) -> None:
    """That many operations wait for somebody to take them up."""

    async def due() -> int:
        async with connected(chaos.stack.payments_dsn) as conn:
            return int(
                await conn.fetchval(
                    "SELECT count(*) FROM bank_operations WHERE state = 'unknown' AND due_at <= now()"
                )
            )

    await eventually(due, accept=lambda found: found == count)
