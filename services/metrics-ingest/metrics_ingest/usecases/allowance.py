"""How many points a second a tenant may send, over all processes."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from chassis.ratelimit import Decision, Limit

from metrics_ingest.domain.tenants import Tenant

_UNITS_PER_S = 5_000


class TooManyPoints(Exception):  # noqa: N818 as HTTP says it
    """429: the tenant's rate is used up."""

    def __init__(self, points_per_s: float, retry_after_s: float) -> None:
        super().__init__(f"more than {points_per_s:.0f} points/s")
        self.retry_after_s = retry_after_s


class Limiter(Protocol):
    async def check(self, limits: Sequence[Limit], cost: int = 1) -> Decision: ...


@dataclass(slots=True)
class _Account:
    """Points that were bought and not yet used, and until when a refusal stands."""

    points: int = 0
    refused_until: float = 0.0


class Allowance:
    """Points are bought of the shared limiter a slice at a time: a small request costs no round trip.

    A refusal stands for the whole tenant until the limiter's time has passed, at most `stands_s`, so that
    what would be refused again is not even read. A request above the burst is weighed as the burst.
    """

    def __init__(
        self,
        limiter: Limiter,
        *,
        burst_s: float,
        slice_s: float,
        stands_s: float,
        tenants_max: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limiter = limiter
        self._burst_s = burst_s
        self._slice_s = slice_s
        self._stands_s = stands_s
        self._tenants_max = tenants_max
        self._clock = clock
        self._accounts: OrderedDict[str, _Account] = OrderedDict()

    def check(self, tenant: Tenant) -> None:
        """Before a body is read. Raises `TooManyPoints` while a refusal stands."""
        account = self._accounts.get(tenant.id)
        if account is not None and (left_s := account.refused_until - self._clock()) > 0:
            raise TooManyPoints(tenant.points_per_s, left_s)

    async def take(self, tenant: Tenant, points: int) -> None:
        """Raises `TooManyPoints`; then nothing was taken."""
        account = self._account(tenant)
        if points <= account.points:
            account.points -= points
            return
        held, account.points = account.points, 0
        # The limiter counts whole microseconds a unit: a unit of several points keeps high rates exact.
        unit = max(1, int(tenant.points_per_s / _UNITS_PER_S))
        rate = tenant.points_per_s / unit
        burst = max(1, int(rate * self._burst_s))
        wanted = points - held
        cost = min(max(ceil(wanted / unit), int(rate * self._slice_s)), burst)
        decision = await self._limiter.check([Limit("points", tenant.id, rate, burst)], cost)
        if not decision.allowed:
            account.points += held
            account.refused_until = self._clock() + min(decision.retry_after_s, self._stands_s)
            raise TooManyPoints(tenant.points_per_s, decision.retry_after_s)
        account.points += max(0, cost * unit - wanted)

    def _account(self, tenant: Tenant) -> _Account:
        account = self._accounts.setdefault(tenant.id, _Account())
        self._accounts.move_to_end(tenant.id)
        while len(self._accounts) > self._tenants_max:
            self._accounts.popitem(last=False)
        return account
