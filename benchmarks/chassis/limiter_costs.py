"""What one rate-limit decision costs: two limits in one script call, against a bare PING (ADR-0016)."""

from collections.abc import Awaitable, Callable

from chassis.ratelimit import Limit, RateLimiter, connect
from chassis.settings import ChassisSettings

from benchmarks._frame import Row, figure, more_is_better
from benchmarks.chassis.rate import alternate, per_second
from benchmarks.chassis.servers import run, running
from tests.support.servers import Redis

CALLERS = 16
LIMITS = (Limit("tenant", "acme", 1_000_000, 1_000_000), Limit("ip", "127.0.0.1", 1_000_000, 1_000_000))


def measure() -> list[Row]:
    with running(Redis) as redis:
        rates, one_per_s = run(_measure(redis.address))
    return [
        more_is_better("rate-limit decisions / bare PINGs", rates["check"], rates["ping"], unit="1/s"),
        figure("one decision, alone", 1e6 / one_per_s, unit="us"),
    ]


async def _measure(url: str) -> tuple[dict[str, float], float]:
    client = connect(ChassisSettings(service_name="bench", redis_url=url, redis_timeout_s=5.0))
    limiter = RateLimiter(client, timeout_s=5.0)
    try:
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "ping": client.ping,
            "check": lambda: limiter.check(LIMITS),
        }
        rates = await alternate(ways, tasks=CALLERS, seconds=1.0)
        return rates, await per_second(lambda: limiter.check(LIMITS), tasks=1, seconds=1.0)
    finally:
        await client.aclose()
