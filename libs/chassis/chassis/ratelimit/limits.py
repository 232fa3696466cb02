"""What a limit is, what a decision says, and the header fields that tell it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """`burst` at once, then `rate_per_s`; `name` is public (a header says it), `key` says whose it is."""

    name: str
    key: str
    rate_per_s: float
    burst: int

    def __post_init__(self) -> None:
        if self.rate_per_s <= 0 or self.burst < 1:
            raise ValueError(f"limit {self.name}: rate and burst must be positive")

    @property
    def interval_us(self) -> int:
        """Between two requests at the full rate; rounded up, so never more than the rate is let through."""
        return math.ceil(1_000_000 / self.rate_per_s)

    @property
    def window_s(self) -> int:
        """After which a burst may be had again."""
        return max(1, math.ceil(self.burst * self.interval_us / 1_000_000))

    @property
    def storage_key(self) -> str:
        return f"ratelimit:{self.name}:{self.key}"


@dataclass(frozen=True, slots=True)
class Decision:
    """`limit` is the one that refused, else the one with the least left; `limits` are all that were asked."""

    allowed: bool
    limit: Limit
    remaining: int
    retry_after_s: float
    reset_s: float
    limits: tuple[Limit, ...]
    degraded: bool = False


def headers(decision: Decision) -> dict[str, str]:
    """The fields of draft-ietf-httpapi-ratelimit-headers-10, and Retry-After on a refusal."""
    policies = ", ".join(f'"{limit.name}";q={limit.burst};w={limit.window_s}' for limit in decision.limits)
    fields = {
        "RateLimit-Policy": policies,
        "RateLimit": f'"{decision.limit.name}";r={decision.remaining};t={math.ceil(decision.reset_s)}',
    }
    if not decision.allowed:
        fields["Retry-After"] = str(max(1, math.ceil(decision.retry_after_s)))
    return fields


def refuse_the_impossible(limits: Sequence[Limit], cost: int) -> None:
    if not limits or cost < 1:
        raise ValueError("give at least one limit and a positive cost")
    if any(cost > limit.burst for limit in limits):
        raise ValueError("the cost is above a limit's burst")


def decide(limits: Sequence[Limit], answer: Sequence[int]) -> Decision:
    """From `[allowed, (remaining, retry us, reset us) per limit...]`."""
    left, waits, resets = answer[1::3], answer[2::3], answer[3::3]
    if answer[0]:
        binding = min(range(len(limits)), key=lambda i: left[i] / limits[i].burst)
    else:
        binding = max(range(len(limits)), key=lambda i: waits[i])
    return Decision(
        allowed=bool(answer[0]),
        limit=limits[binding],
        remaining=max(0, left[binding]),
        retry_after_s=waits[binding] / 1_000_000,
        reset_s=resets[binding] / 1_000_000,
        limits=tuple(limits),
    )
