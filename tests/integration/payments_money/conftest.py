"""Two payments APIs of one database in this process, and a bank on a real wire: one set a module.

Every test is an account of its own there.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.payments_money.money import Money, working
from tests.support.bank import ListeningBank, listening_bank
from tests.support.databases import Databases


@pytest.fixture(scope="module")
def payments_dsn(databases: Databases) -> Iterator[str]:
    dsn = databases.migrated("payments")
    yield dsn
    databases.drop(dsn)


@pytest.fixture(scope="module")
def bank_dsn(databases: Databases) -> Iterator[str]:
    dsn = databases.migrated("bank")
    yield dsn
    databases.drop(dsn)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bank(bank_dsn: str) -> AsyncIterator[ListeningBank]:
    async with listening_bank(bank_dsn) as bank:
        yield bank


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_money(
    payments_dsn: str,
    _redis_of_worker: str,
    bank: ListeningBank,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Money]:
    clock: Path = tmp_path_factory.mktemp("money") / "clock"
    async with working(payments_dsn, _redis_of_worker, bank, clock) as money:
        yield money


@pytest_asyncio.fixture(loop_scope="module")
async def money(shared_money: Money) -> Money:
    """As an account that has no money yet, at the machine's time."""
    shared_money.wait(0)
    return await shared_money.as_somebody_new()
