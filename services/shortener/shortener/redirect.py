"""GET /{slug}: an ASGI callable in front of FastAPI; an L1 hit of a plain link waits for nothing (ADR-0015).

Request id, span, duration, exemplar and log line come from the chassis' recorder, as on every other route.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from chassis import logs, metrics
from chassis.edge import Exchange, Recorder
from chassis.problems import Problem, send_problem
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shortener.audience import Audience
from shortener.cache import ABSENT, Entry, location, tail
from shortener.clicks import Clicks, RawClick
from shortener.domain.routes import Guard, verdict, with_utm
from shortener.domain.rules import evaluate
from shortener.domain.slugs import is_reserved, may_exist
from shortener.problems import DatabaseAway, LinkGone, LinkNotFound
from shortener.resolver import Resolver
from shortener.visits import Visits, VisitsUnavailable

ROUTE: Final = "/{slug}"
FOUND: Final = 302
NOT_FOUND: Final = 404
GONE: Final = 410
_BODY: Final[Message] = {"type": "http.response.body"}

_REDIRECTS = metrics.Tally(
    "shortener_redirects_total", "Answers of the redirect, by where the link was found.", ("tier", "status")
)


class Parts(NamedTuple):
    """What answers redirects while the process is up."""

    resolver: Resolver
    visits: Visits
    clicks: Clicks
    audience: Audience


class Target(NamedTuple):
    """Where a guarded link leads at this moment, for this visitor."""

    headers: tuple[tuple[bytes, bytes], ...]
    rule: int | None = None


class Redirector:
    """Answers GET and HEAD of single-segment paths that may be slugs, and passes everything else on.

    The outermost callable of the process. Until `open` everything goes to the inner app, the lifespan that
    will call it first of all.
    """

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner
        self._is_open = False
        self._entries: Mapping[str, Entry] = {}
        self._hits = _REDIRECTS.labels("l1", FOUND)
        self._ends: dict[tuple[str, str, int], tuple[metrics.TallyChild, Callable[[Exchange], None]]] = {}

    def open(self, parts: Parts, recorder: Recorder) -> None:
        self._recorder = recorder
        self._resolver, self._visits, self._clicks, self._audience = parts
        self._entries = parts.resolver.local.entries
        self._absent = parts.resolver.absent.entries
        self._begin, self._end_hit = recorder.begin, recorder.series("GET", ROUTE, FOUND).end
        self._add_click = parts.clicks.add
        self._is_open = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry = self._entries.get(scope["path"][1:]) if scope["type"] == "http" else None
        if (
            entry is None
            or entry.guard is not None
            or entry.status != FOUND
            or entry.expires < time.perf_counter()
            or scope["method"] != "GET"
        ):
            await self._pass_or_answer(scope, receive, send)
            return
        entry.seen = True
        headers = dict(scope["headers"])
        exchange = self._begin("GET", headers)
        request_id = (b"x-request-id", exchange.request_id.encode())
        await send({"type": "http.response.start", "status": FOUND, "headers": [*entry.headers, request_id]})
        await send(_BODY)
        self._click(scope, headers, entry, None)
        self._hits.value += 1
        self._end_hit(exchange)

    async def _pass_or_answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The longer way: what is not held, guarded by a clock, a count or rules, or no link at all."""
        slug = _slug_of(scope) if self._is_open and scope["type"] == "http" else None
        if slug is None:
            await self._inner(scope, receive, send)
            return
        exchange = self._begin(scope["method"], dict(scope["headers"]))
        status, tier = 500, "none"
        try:
            entry = self._held(slug)
            tier = "l1"
            if entry is None:
                entry, tier = await self._resolver.resolve(slug)
            if entry is not None and entry.guard is None and entry.status != ABSENT:
                await self._send(send, exchange, entry.status, entry.headers)
                if exchange.method == "GET":
                    self._click(scope, exchange.headers, entry, None)
                status = entry.status
            else:
                status = await self._respond(scope, send, exchange, slug, entry)
        except VisitsUnavailable:
            status = await self._refuse(scope, send, exchange, _away())
        finally:
            self._end(exchange, tier, status)

    def _held(self, slug: str) -> Entry | None:
        now = time.perf_counter()
        entry = self._entries.get(slug)
        if entry is not None and entry.expires >= now:
            entry.seen = True
            return entry
        absent = self._absent.get(slug)
        return absent if absent is not None and absent.expires >= now else None

    async def _respond(
        self, scope: Scope, send: Send, exchange: Exchange, slug: str, entry: Entry | None
    ) -> int:
        """All but a plain link."""
        if entry is None:
            return await self._refuse(scope, send, exchange, _away())
        if entry.guard is None:
            return await self._refuse(scope, send, exchange, LinkNotFound())
        return await self._respond_guarded(scope, send, exchange, slug, entry, entry.guard)

    async def _respond_guarded(
        self, scope: Scope, send: Send, exchange: Exchange, slug: str, entry: Entry, guard: Guard
    ) -> int:
        now, counts = time.time(), scope["method"] == "GET"
        status = verdict(guard, now)
        if status == NOT_FOUND:
            return await self._refuse(scope, send, exchange, LinkNotFound())
        if status == GONE:
            return await self._refuse(scope, send, exchange, LinkGone())
        target = self._choose(scope, exchange.headers, entry, now)
        if guard.max_visits is not None and not await self._admit(slug, entry, counts=counts):
            return await self._refuse(scope, send, exchange, LinkGone())
        await self._send(send, exchange, status, target.headers)
        if counts:
            self._click(scope, exchange.headers, entry, target.rule)
        return status

    def _choose(self, scope: Scope, headers: Mapping[bytes, bytes], entry: Entry, now: float) -> Target:
        if not entry.rules:
            return Target(entry.headers)
        facts = self._audience.facts(
            entry.link_id,
            _address(scope),
            headers.get(b"user-agent", b""),
            headers.get(b"accept-language", b""),
            now,
        )
        choice = evaluate(entry.rules, facts)
        if choice.url is None:
            return Target(entry.headers)
        return Target((location(with_utm(choice.url, entry.utm)), *tail(0)), choice.rule_index)

    async def _admit(self, slug: str, entry: Entry, *, counts: bool) -> bool:
        """Ask Postgres for one of the link's visits; raises VisitsUnavailable."""
        if entry.used_up:
            return False
        grant = await (self._visits.take(entry.link_id) if counts else self._visits.look(entry.link_id))
        if grant.remaining is None:
            # Changed a moment ago, and the news is still on its way: this visit sees a link that is no more.
            self._resolver.forget(slug, entry.revision + 1, "visit")
        elif grant.remaining <= 0:
            entry.used_up = True  # until the link changes: every change makes a new entry
        return grant.granted

    def _click(self, scope: Scope, headers: Mapping[bytes, bytes], entry: Entry, rule: int | None) -> None:
        client = scope.get("client")
        self._add_click(
            RawClick(
                entry.link_id,
                entry.tenant_id,
                time.time(),
                headers.get(b"user-agent", b""),
                headers.get(b"referer", b""),
                client[0] if client else "",
                rule,
            )
        )

    async def _send(
        self, send: Send, exchange: Exchange, status: int, headers: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        request_id = (b"x-request-id", exchange.request_id.encode("ascii"))
        await send({"type": "http.response.start", "status": status, "headers": [*headers, request_id]})
        await send(_BODY)

    async def _refuse(self, scope: Scope, send: Send, exchange: Exchange, problem: Problem) -> int:
        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start":
                request_id = (b"x-request-id", exchange.request_id.encode("ascii"))
                message["headers"] = [*message["headers"], (b"cache-control", b"no-store"), request_id]
            elif scope["method"] == "HEAD":
                message = _BODY
            await send(message)

        token = logs.request_context.set(exchange.context())
        try:
            await send_problem(sender, problem)
        finally:
            logs.request_context.reset(token)
        return problem.status

    def _end(self, exchange: Exchange, tier: str, status: int) -> None:
        ends = self._ends.get((exchange.method, tier, status))
        if ends is None:
            series = self._recorder.series(exchange.method, ROUTE, status)
            ends = _REDIRECTS.labels(tier, status), series.end
            self._ends[exchange.method, tier, status] = ends
        tally, end = ends
        tally.value += 1
        end(exchange)


def _away() -> DatabaseAway:
    return DatabaseAway(headers={"Retry-After": "1"})


def _slug_of(scope: Scope) -> str | None:
    """Give the slug of a request that is ours to answer."""
    path = scope["path"]
    if scope["method"] not in {"GET", "HEAD"} or "/" in path[1:]:
        return None
    slug = may_exist(path[1:])
    return None if slug is None or is_reserved(slug) else slug


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""
