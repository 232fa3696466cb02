"""Staying up: deadlines, retries on a budget, breakers, bulkheads, adaptive limits, load shedding."""

from chassis.resilience.breaker import Breaker, BreakerOpenError, BreakerState
from chassis.resilience.bulkhead import Bulkhead, BulkheadFullError
from chassis.resilience.deadline import Deadline, DeadlineMiddleware, time_left
from chassis.resilience.limit import AdaptiveLimit
from chassis.resilience.retry import RetryBudget, retry
from chassis.resilience.shed import LoadShedder, Priority, by_method

__all__ = [
    "AdaptiveLimit",
    "Breaker",
    "BreakerOpenError",
    "BreakerState",
    "Bulkhead",
    "BulkheadFullError",
    "Deadline",
    "DeadlineMiddleware",
    "LoadShedder",
    "Priority",
    "RetryBudget",
    "by_method",
    "retry",
    "time_left",
]
