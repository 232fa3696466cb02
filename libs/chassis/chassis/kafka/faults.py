"""Faults on purpose, to see parking, dead letters and redrive at work: in demos and tests, off by default."""

import time
from collections.abc import Awaitable, Sequence
from typing import Literal, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chassis import logs, metrics
from chassis.ids import uuid7
from chassis.records import Message
from chassis.retry import Permanent, Transient

log = logs.get_logger(__name__)

BOOK = "faults"
FAULTS_MAX = 1000
ATTEMPTS_MAX = 3
# After Redis failed to answer so often nobody asks it again for this long.
PAUSE_S = 1.0
# A connection that was reset while idle may come as a RuntimeError of the event loop.
_REDIS_AWAY = (RedisError, OSError, TimeoutError, RuntimeError)

_INJECTED = metrics.counter(
    "kafka_faults_injected_total", "Attempts that were made to fail.", ("group", "error")
)

# A transient fault counts attempts; a permanent one counts messages, each of which fails until it is buried.
# ARGV: kind, count, the messages that it meets. The answer tells whether one of them has to fail.
_CLAIM = """
local used, most = KEYS[1], tonumber(ARGV[2])
if ARGV[1] == 'transient' then
  if tonumber(redis.call('GET', used) or 0) >= most then return 0 end
  redis.call('INCR', used)
  return 1
end
local taken = redis.call('SCARD', used)
for i = 3, #ARGV do
  if redis.call('SISMEMBER', used, ARGV[i]) == 1 then return 1 end
  if taken < most then return redis.call('SADD', used, ARGV[i]) end
end
return 0
"""


class InjectedTransient(Transient):
    """A fault put in place by hand: passes when its count is used up or it is taken away."""


class InjectedPermanent(Permanent):
    """A fault put in place by hand: the message becomes a dead letter."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What must fail: of which group, by event type and key (text) where given, `count` times where given."""

    group: str
    error: Literal["transient", "permanent"]
    event_type: str | None = None
    key: str | None = None
    count: int | None = None
    id: str = msgspec.field(default_factory=lambda: str(uuid7()))

    def meets(self, message: Message) -> bool:
        if self.event_type is not None and self.event_type != message.event_type:
            return False
        return self.key is None or (message.key or b"").decode("utf-8", "replace") == self.key


class TooManyFaults(Exception):  # noqa: N818 the field's word
    """The book holds FAULTS_MAX faults."""


async def put(redis: Redis, fault: Fault) -> None:
    """All processes of the group see it at their next batch."""
    if await redis.hlen(BOOK) >= FAULTS_MAX:
        raise TooManyFaults
    await redis.hset(BOOK, fault.id, msgspec.json.encode(fault).decode())


async def read(redis: Redis, *, group: str | None = None) -> list[Fault]:
    """The oldest first."""
    stored = await cast("Awaitable[dict[bytes, bytes]]", redis.hgetall(BOOK))
    faults = [msgspec.json.decode(value, type=Fault) for value in stored.values()]
    return sorted((f for f in faults if group in (None, f.group)), key=lambda fault: fault.id)


async def clear(redis: Redis, *, group: str | None = None) -> int:
    """Take all of them away, or those of one group; the answer counts them."""
    ids = [fault.id for fault in await read(redis, group=group)]
    if ids:
        await redis.hdel(BOOK, *ids)
        await redis.delete(*(_used(fault_id) for fault_id in ids))
    return len(ids)


class Faults:
    """The faults of one group; none unless `enabled`.

    Redis is asked inside the batch's transaction, an exception to the rule: this is a demo's affair, and the
    client's short timeout bounds it.
    """

    def __init__(self, redis: Redis | None, group: str, *, enabled: bool) -> None:
        self._redis = redis if enabled else None
        self._group = group
        self._asked_again_at = 0.0

    async def check(self, messages: Sequence[Message]) -> None:
        """Raise for the first of the messages that has to fail; without Redis none has."""
        if self._redis is None or time.monotonic() < self._asked_again_at:
            return
        chosen = await self._asked(self._redis, messages)
        if chosen is None:
            return
        _INJECTED.labels(self._group, chosen.error).inc()
        kind = InjectedTransient if chosen.error == "transient" else InjectedPermanent
        raise kind(f"injected by fault {chosen.id}")

    async def _asked(self, redis: Redis, messages: Sequence[Message]) -> Fault | None:
        """Busy machines miss the client's short timeout now and then: no fault may be missed for it."""
        for _ in range(ATTEMPTS_MAX):
            try:
                return await self._chosen(redis, messages)
            except _REDIS_AWAY as error:
                reason = type(error).__name__
        self._asked_again_at = time.monotonic() + PAUSE_S
        log.info("faults.unknown", group=self._group, error=reason)
        return None

    async def _chosen(self, redis: Redis, messages: Sequence[Message]) -> Fault | None:
        for fault in await read(redis, group=self._group):
            met = [message for message in messages if fault.meets(message)]
            if met and await _claim(redis, fault, met):
                return fault
        return None


async def _claim(redis: Redis, fault: Fault, met: Sequence[Message]) -> bool:
    if fault.count is None:
        return True
    # A message that was redriven is another try: what was to be seen of the first one was seen.
    names = [f"{message.event_id}#{message.redrives}" for message in met]
    answer = redis.eval(_CLAIM, 1, _used(fault.id), fault.error, str(fault.count), *names)
    return bool(await cast("Awaitable[int]", answer))


def _used(fault_id: str) -> str:
    return f"{BOOK}:{fault_id}"
