"""`python -m orders.reconcile`: what GET /v1/admin/reconcile says, in a terminal; exits with 1 if not ok."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from chassis import logs, postgres
from chassis.postgres import Pool

from orders.domain.checks import Check
from orders.inventory import inventory_of
from orders.payments import payments_of
from orders.settings import OrdersSettings
from orders.usecases.reconcile import Books, reconcile

TIMEOUT_S: Final = 600.0


@asynccontextmanager
async def books_of(settings: OrdersSettings, db: Pool, *, timeout_s: float) -> AsyncIterator[Books]:
    """For one check: it is made too rarely to keep connections for, and waits longer than a request may."""
    patient = settings.model_copy(update={"inventory_timeout_s": timeout_s})
    async with inventory_of(patient) as inventory, payments_of(settings) as payments:
        yield Books(settings, db, payments, inventory)


async def run(settings: OrdersSettings) -> list[Check]:
    async with (
        postgres.pool_of(settings) as pool,
        books_of(settings, pool, timeout_s=TIMEOUT_S) as books,
    ):
        return await reconcile(books, timeout_s=TIMEOUT_S)


def table_of(checks: Sequence[Check]) -> str:
    """A line a check: what is wrong, first of all, stands out."""
    width = max(len(check.name) for check in checks)
    return "".join(f"{'ok   ' if c.ok else 'WRONG'}  {c.name:{width}}  {c.detail}\n" for c in checks)


def main() -> None:
    settings = OrdersSettings()
    logs.setup(settings)
    checks = asyncio.run(run(settings))
    sys.stdout.write(table_of(checks))
    logs.flush()
    sys.exit(0 if all(check.ok for check in checks) else 1)


if __name__ == "__main__":
    main()
