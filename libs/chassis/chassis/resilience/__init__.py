"""Staying up: deadlines, retries on a budget, breakers, bulkheads, adaptive limits, load shedding."""

from chassis.resilience.deadline import Deadline, DeadlineMiddleware, time_left

__all__ = ["Deadline", "DeadlineMiddleware", "time_left"]
