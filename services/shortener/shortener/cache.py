"""What holds links between a request and Postgres: L1 in this process, L2 in Redis (ADR-0015)."""

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import Any, Final
from urllib.parse import quote

from chassis import metrics

from shortener.domain.routes import (
    PLAIN,
    REVISION_BYTES,
    Guard,
    Route,
    encode,
    encode_tombstone,
    with_utm,
)
from shortener.domain.rules import Rule, parse_rules
from shortener.rediswire import RedisWire
from shortener.settings import ShortenerSettings

Header = tuple[bytes, bytes]

KEY_PREFIX: Final = "r:"
PERMANENT: Final = frozenset({301, 308})
ABSENT: Final = 404
_URL_SAFE: Final = "%/:=&?~#+!$,;'@()*[]"

_ENTRIES = metrics.gauge("shortener_cache_entries", "Links held in this process.", ("kind",))
_FILLS = metrics.counter(
    "shortener_cache_fills_total", "Links written to Redis after a read of Postgres.", ("outcome",)
)

# A value and a tombstone both begin with the link's revision, so the newer one always stays. What this
# process has written it reads once more: its own SET dropped the key from what Redis tracks for it, the
# GET registers it again.
FILL: Final = b"""
local function revision(value) return struct.unpack('>I%d', value) end
local refused = {}
for i, key in ipairs(KEYS) do
  local value, held = ARGV[2 * i - 1], redis.call('GET', key)
  if held and revision(held) > revision(value) then
    refused[#refused + 1] = key
    refused[#refused + 1] = revision(held)
  elseif held ~= value then
    redis.call('SET', key, value, 'PX', ARGV[2 * i])
    redis.call('GET', key)
  end
end
return refused
""".replace(b"%d", str(REVISION_BYTES).encode())

BURY: Final = b"""
local function revision(value) return struct.unpack('>I%d', value) end
for i, key in ipairs(KEYS) do
  local held = redis.call('GET', key)
  if not held or revision(held) < revision(ARGV[i + 1]) then
    redis.call('SET', key, ARGV[i + 1], 'PX', ARGV[1])
  end
end
return #KEYS
""".replace(b"%d", str(REVISION_BYTES).encode())

SCRIPTS: Final = (FILL, BURY)
_FILL_SHA, _BURY_SHA = (sha1(script, usedforsecurity=False).hexdigest() for script in SCRIPTS)


class Entry:
    """A link made ready to answer: an L1 hit of a plain link looks at nothing else.

    `expires` is in seconds of perf_counter. `guard` is None for a plain link; `status` is 404 for a slug
    that no link has. `seen` is the second chance of the eviction clock.
    """

    __slots__ = (
        "expires",
        "guard",
        "headers",
        "link_id",
        "revision",
        "rules",
        "seen",
        "status",
        "tenant_id",
        "used_up",
        "utm",
    )

    def __init__(self, route: Route | None, revision: int, *, permanent_max_age_s: int = 0) -> None:
        self.revision = revision
        self.expires = 0.0
        self.seen = False
        self.used_up = False
        self.guard: Guard | None = None
        self.rules: tuple[Rule, ...] = ()
        self.utm: dict[str, str] | None = None
        self.headers: tuple[Header, ...] = ()
        self.link_id, self.tenant_id, self.status = b"", "", ABSENT
        if route is not None:
            self._prepare(route, permanent_max_age_s)

    def _prepare(self, route: Route, permanent_max_age_s: int) -> None:
        guard = route.guard or PLAIN
        self.link_id, self.tenant_id, self.status = route.link_id, route.tenant_id, guard.status
        conditional = (guard.state, guard.since, guard.until, guard.max_visits) != (
            "active",
            None,
            None,
            None,
        )
        if guard.rules or conditional:
            self.guard = guard
            self.rules = parse_rules(guard.rules or [])
            self.utm = guard.utm
        # A browser may keep a permanent answer only where no clock, count or rule can change it.
        max_age_s = permanent_max_age_s if guard.status in PERMANENT and self.guard is None else 0
        self.headers = (location(with_utm(route.url, guard.utm)), *tail(max_age_s))


def location(url: str) -> Header:
    """Give the header of a target; targets are checked ASCII, and anything else would be percent-encoded."""
    return (b"location", (url if url.isascii() else quote(url, safe=_URL_SAFE)).encode("ascii"))


_TAILS: dict[int, tuple[Header, Header]] = {}


def tail(max_age_s: int) -> tuple[Header, Header]:
    """Give the headers that follow `location`; shared between all entries."""
    if max_age_s not in _TAILS:
        policy = f"public, max-age={max_age_s}" if max_age_s else "private, no-store"
        _TAILS[max_age_s] = ((b"cache-control", policy.encode()), (b"content-length", b"0"))
    return _TAILS[max_age_s]


class LocalCache:
    """L1: a bounded clock cache. Expired entries stay, to be served when all else is down."""

    def __init__(self, size_max: int, kind: str) -> None:
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self._size_max = size_max
        _ENTRIES.labels(kind).set_function(lambda: len(self.entries))

    def put(self, slug: str, entry: Entry, ttl_s: float) -> None:
        entry.expires = time.perf_counter() + ttl_s * random.uniform(0.8, 1.2)  # noqa: S311 spreads
        if slug not in self.entries and len(self.entries) >= self._size_max:
            self._evict()
        self.entries[slug] = entry

    def drop(self, slug: str) -> bool:
        return self.entries.pop(slug, None) is not None

    def distrust(self) -> None:
        """Nothing held is sure any more: every entry is asked for again before it is served."""
        for entry in self.entries.values():
            entry.expires = 0.0

    def _evict(self) -> None:
        """Push out the oldest entry that was not asked for since its last chance."""
        while True:
            slug, entry = self.entries.popitem(last=False)
            if not entry.seen:
                return
            entry.seen = False
            self.entries[slug] = entry


class Floors:
    """The newest revision heard of per slug, so that an older value from Redis or a slow query is refused."""

    def __init__(self, size_max: int) -> None:
        self._revisions: OrderedDict[str, int] = OrderedDict()
        self._size_max = size_max

    def raise_to(self, slug: str, revision: int) -> None:
        if revision > self._revisions.get(slug, -1):
            self._revisions[slug] = revision
            self._revisions.move_to_end(slug)
            if len(self._revisions) > self._size_max:
                self._revisions.popitem(last=False)

    def of(self, slug: str) -> int:
        return self._revisions.get(slug, 0)


class SharedCache:
    """L2: routes and tombstones in Redis, one key a link, each behind the revision that orders it."""

    def __init__(self, settings: ShortenerSettings, wire: RedisWire) -> None:
        self._wire = wire
        self._ttl_ms = settings.l2_ttl_s * 1000
        self._tombstone_ttl_ms = int(settings.l2_tombstone_ttl_s * 1000)

    @property
    def up(self) -> bool:
        return self._wire.up

    def ask(self, slugs: Sequence[str], answer: Callable[[Sequence[Any] | None], None]) -> None:
        """Read many slugs; `answer` gets bytes or None for each in order, or None when Redis failed."""

        def received(reply: Any) -> None:
            answer(reply if isinstance(reply, list) else None)

        self._wire.submit((b"MGET", *[KEY_PREFIX + slug for slug in slugs]), received)

    def fill(self, found: Sequence[tuple[str, Route, int]], refused: Callable[[str, int], None]) -> None:
        """Write routes without waiting; `refused` gets each slug that Redis knows newer."""

        def received(reply: Any) -> None:
            if not isinstance(reply, list):
                _FILLS.labels("failed").inc(len(found))
                return
            _FILLS.labels("refused").inc(len(reply) // 2)
            _FILLS.labels("kept").inc(len(found) - len(reply) // 2)
            for key, revision in zip(reply[::2], reply[1::2], strict=True):
                refused(slug_of(key), revision)

        keys = [KEY_PREFIX + slug for slug, _, _ in found]
        arguments: list[bytes | int] = []
        for _, route, revision in found:
            arguments.append(encode(route, revision))
            arguments.append(int(self._ttl_ms * random.uniform(0.8, 1.2)))  # noqa: S311 spreads
        self._wire.submit((b"EVALSHA", _FILL_SHA, len(keys), *keys, *arguments), received)

    async def bury(self, changes: Sequence[tuple[str, int]]) -> None:
        """Put a tombstone of its revision on each changed slug; raises RedisFailure unless all stand."""
        keys = [KEY_PREFIX + slug for slug, _ in changes]
        tombstones = [encode_tombstone(revision) for _, revision in changes]
        await self._wire.call(b"EVALSHA", _BURY_SHA, len(keys), *keys, self._tombstone_ttl_ms, *tombstones)


def slug_of(key: bytes) -> str:
    return key[len(KEY_PREFIX) :].decode()
