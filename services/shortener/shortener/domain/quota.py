"""A tenant's links of a month, counted in shards so that concurrent creates do not queue for one row."""

from datetime import date, datetime
from typing import Final

SHARDS: Final = 16  # fixed for ever: a shard's share of the limit depends on it


def month_of(moment: datetime) -> date:
    """The first day of the month, in the moment's own zone."""
    return moment.date().replace(day=1)


def next_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def share(limit: int, shard: int) -> int:
    """What one shard may count; the shares of all shards add up to the limit."""
    return limit // SHARDS + (1 if shard < limit % SHARDS else 0)
