"""Two payments APIs of one database in this process, and a bank on a real wire."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.integration.payments_money.money import Money, working
from tests.support.bank import ListeningBank, listening_bank


@pytest.fixture
async def bank(migrated_dsn: Callable[[str], str]) -> AsyncIterator[ListeningBank]:
    async with listening_bank(migrated_dsn("bank")) as bank:
        yield bank


@pytest.fixture
async def money(
    migrated_dsn: Callable[[str], str], redis_url: str, bank: ListeningBank, tmp_path: Path
) -> AsyncIterator[Money]:
    async with working(migrated_dsn("payments"), redis_url, bank, tmp_path / "clock") as money:
        yield money
