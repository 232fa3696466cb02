"""What links weigh: a million in Redis, and a worker whose L1 is full."""

import uuid
from collections.abc import Iterator

from redis import Redis as Client
from shortener.cache import KEY_PREFIX
from shortener.domain.routes import Route, encode
from shortener.settings import ShortenerSettings

from benchmarks._frame import Row, at_most
from benchmarks.shortener.stack import Stack, running_stack
from benchmarks.shortener.visits import visit_all

LINKS = 1_000_000
TARGET = "https://example.com/articles/2026/page-{number:07d}"  # 46 characters
BATCH = 5_000
TTL_MS = 21_600_000
REDIS_MB_MAX = 200.0
WORKER_MB_MAX = 150.0


def measure_memory() -> list[Row]:
    l1_entries = ShortenerSettings.model_fields["l1_entries_max"].default
    with running_stack() as stack:
        redis_mb = fill_redis(stack)
        with stack.shortener() as worker:
            visit_all(worker.url, [_slug(number) for number in range(l1_entries)])
            worker_mb = worker.resident_mb()
    return [
        at_most(
            f"memory of 1 M links in Redis, targets of {len(TARGET.format(number=0))} characters",
            redis_mb,
            REDIS_MB_MAX,
            unit="MB",
        ),
        at_most(f"resident worker with {l1_entries:,} links in L1", worker_mb, WORKER_MB_MAX, unit="MB"),
    ]


def fill_redis(stack: Stack) -> float:
    """MB that the links add; each is a plain one with a TTL."""
    client = Client.from_url(stack.redis.address)
    before = client.info("memory")["used_memory"]
    for start in range(0, LINKS, BATCH):
        pipeline = client.pipeline(transaction=False)
        for key, value in _entries(start):
            pipeline.set(key, value, px=TTL_MS)
        pipeline.execute()
    used = client.info("memory")["used_memory"] - before
    client.close()
    return float(used) / 1e6


def _entries(start: int) -> Iterator[tuple[str, bytes]]:
    for number in range(start, start + BATCH):
        route = Route(uuid.uuid4().bytes, "acme", TARGET.format(number=number), None)
        yield KEY_PREFIX + _slug(number), encode(route, number + 1)


def _slug(number: int) -> str:
    """Seven characters, as generated codes have."""
    return f"L{number:06x}"
