"""Rate limits: GCRA over several limits at once, shared through Redis, in the process when Redis is away."""

from chassis.ratelimit.answers import RateLimitHeaders, announce, fields_of
from chassis.ratelimit.limits import Decision, Limit, headers
from chassis.ratelimit.local import LocalLimiter
from chassis.ratelimit.shared import RateLimiter, RateLimiterUnavailable, connect

__all__ = [
    "Decision",
    "Limit",
    "LocalLimiter",
    "RateLimitHeaders",
    "RateLimiter",
    "RateLimiterUnavailable",
    "announce",
    "connect",
    "fields_of",
    "headers",
]
