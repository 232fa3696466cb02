"""Failures on purpose, so that parking, dead letters and redrive can be seen: demo and tests only."""

from collections.abc import Awaitable
from typing import TypeVar

from chassis.kafka import faults
from chassis.kafka.faults import Fault, TooManyFaults
from redis.asyncio import Redis
from redis.exceptions import RedisError

from orders.problems import FaultsDisabled, FaultsFull, FaultsUnavailable, GroupUnknown
from orders.settings import OrdersSettings

T = TypeVar("T")


async def put(settings: OrdersSettings, redis: Redis, fault: Fault) -> Fault:
    """Raises FaultsDisabled, GroupUnknown, FaultsFull, FaultsUnavailable."""
    _check_group(settings, fault.group)
    try:
        await _reached(faults.put(redis, fault))
    except TooManyFaults:
        raise FaultsFull from None
    return fault


async def read(settings: OrdersSettings, redis: Redis, group: str | None) -> list[Fault]:
    """In the order in which they were put. Raises FaultsDisabled, GroupUnknown, FaultsUnavailable."""
    _check_group(settings, group)
    return await _reached(faults.read(redis, group=group))


async def clear(settings: OrdersSettings, redis: Redis, group: str | None) -> int:
    """The answer counts them. Raises FaultsDisabled, GroupUnknown, FaultsUnavailable."""
    _check_group(settings, group)
    return await _reached(faults.clear(redis, group=group))


def _check_group(settings: OrdersSettings, group: str | None) -> None:
    if not settings.faults_enabled:
        raise FaultsDisabled
    if group is not None and group not in settings.fault_groups:
        raise GroupUnknown(f"Known groups: {', '.join(settings.fault_groups)}.")


async def _reached(call: Awaitable[T]) -> T:
    try:
        return await call
    except (RedisError, OSError, TimeoutError) as error:
        raise FaultsUnavailable(headers={"Retry-After": "1"}) from error
