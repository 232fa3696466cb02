"""Desks on a database of the test's own."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from orders.settings import OrdersSettings

from tests.support.letters import Desk, desk_of
from tests.support.orders import settings_of


@pytest.fixture
def settings(migrated_dsn: Callable[[str], str]) -> OrdersSettings:
    """Postgres only; everything that polls does so often."""
    return letter_settings(migrated_dsn("orders"), "redis://127.0.0.1:9")


def letter_settings(dsn: str, redis_url: str, **changed: Any) -> OrdersSettings:
    quick: dict[str, Any] = {
        "redrive_poll_s": 0.02,
        "redrive_tick_s": 0.005,
        "redrive_lease_s": 2.0,
        "letters_report_s": 0.05,
        "redrive_groups": "orders,inventory",
    }
    return settings_of(dsn, redis_url, **(quick | changed))


@pytest.fixture
async def desk(settings: OrdersSettings) -> AsyncIterator[Desk]:
    async with desk_of(settings) as made:
        yield made
