"""What the demo does to the shortener, act by act, and what it expects of each."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import httpx

from infra.local.demo.story import Story
from infra.local.demo.traffic import Client, on_schedule, together
from infra.local.demo.visitor import Answer

LINKS = 240
REPLAYS = 60
BULK_ROWS = 1_000
VISITS = 2_000
VISITS_PER_S = 200
ZIPF_EXPONENT = 1.1
RACED_VISITS = 60
VISITS_ALLOWED = 10
LIMITED_CALLS = 40
LIMITED_BURST = 10
STATS_TIMEOUT_S = 20.0

_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
)
_REFERRERS = ("https://news.example/today", "https://search.example/?q=spring", "https://mail.example/", "")
_REDIRECTS = frozenset({301, 302, 307, 308})


@dataclass(slots=True)
class LinkStory(Story):
    """The links that were made, and how often each was followed."""

    links: list[dict[str, Any]] = field(default_factory=list)
    visits: Counter[str] = field(default_factory=Counter)


def _person(dice: random.Random) -> dict[str, str]:
    headers = {"User-Agent": dice.choice(_AGENTS), "Accept-Language": dice.choice(("de", "en", "fr"))}
    if referrer := dice.choice(_REFERRERS):
        headers["Referer"] = referrer
    return headers


def _statuses(answers: Sequence[httpx.Response | Answer]) -> str:
    counts = Counter(answer.status_code for answer in answers)
    return ", ".join(f"{count} x {status}" for status, count in sorted(counts.items()))


async def create(client: Client, story: LinkStory) -> None:
    """Single creates, each with its key; then some of them again; then one key with another body."""
    bodies = [{"url": f"https://example.com/{story.run}/{n}", "tags": ["demo"]} for n in range(LINKS)]

    def post(kind: str, number: int, body: dict[str, Any]) -> Callable[[], Any]:
        key = {"Idempotency-Key": f"demo-{story.run}-{number}"}
        return partial(client.call, kind, "POST", "/v1/links", json=body, headers=key)

    made = await together((post("create a link", n, body) for n, body in enumerate(bodies)), width=8)
    story.check(
        f"{LINKS} creates are answered 201",
        all(a.status_code == HTTPStatus.CREATED for a in made),
        _statuses(made),
    )
    story.links = [answer.json() for answer in made if answer.status_code == HTTPStatus.CREATED]

    again = await together((post("create, replayed", n, bodies[n]) for n in range(REPLAYS)), width=8)
    same = sum(
        b.json() == a.json() and b.headers.get("Idempotent-Replayed") == "true"
        for a, b in zip(made, again, strict=False)
        if b.status_code == HTTPStatus.CREATED
    )
    story.check(
        "a repeated Idempotency-Key gives the first answer again", same == REPLAYS, f"{same} of {REPLAYS}"
    )
    other = await post("create, key reused", 0, {"url": "https://example.com/another"})()
    story.check("the same key with another body is refused 422", other.status_code == 422, other.status_code)  # noqa: PLR2004


async def bulk(client: Client, story: LinkStory) -> None:
    """A thousand rows in one request, three of them wrong."""
    rows = [{"url": f"https://example.com/{story.run}/bulk/{n}"} for n in range(BULK_ROWS - 3)]
    rows += [
        {"url": url}
        for url in ("javascript:alert(1)", "http://127.0.0.1/", "https://user:secret@example.com/")
    ]
    answer = await client.call(
        f"bulk of {BULK_ROWS:,} rows",
        "POST",
        "/v1/links/bulk",
        json={"mode": "each", "links": rows},
        headers={"Idempotency-Key": f"demo-{story.run}-bulk"},
    )
    items = answer.json().get("items", []) if answer.is_success else []
    made = [item["link"] for item in items if item.get("link")]
    refused = [item["index"] for item in items if item.get("problem")]
    story.check(
        "a bulk creates its good rows and names its bad ones",
        len(made) == BULK_ROWS - 3 and refused == [BULK_ROWS - 3, BULK_ROWS - 2, BULK_ROWS - 1],
        f"{answer.status_code}: {len(made)} made, {len(refused)} refused",
    )
    story.links += made


async def redirect(client: Client, story: LinkStory) -> None:
    """People follow links, few of them often: Zipf, on a fixed schedule that waits for no answer."""
    weights = [1 / rank**ZIPF_EXPONENT for rank in range(1, len(story.links) + 1)]
    chosen = story.dice.choices(story.links, weights, k=VISITS)

    def follow(link: dict[str, Any]) -> Callable[[float], Any]:
        headers = _person(story.dice)
        return lambda meant_at: client.visit("redirect", link["slug"], headers=headers, meant_at=meant_at)

    answers = await on_schedule((follow(link) for link in chosen), client.recorder, rate_per_s=VISITS_PER_S)
    right = sum(
        a.status_code in _REDIRECTS and a.headers["location"] == link["url"]
        for a, link in zip(answers, chosen, strict=True)
    )
    for answer, link in zip(answers, chosen, strict=True):
        if answer.status_code in _REDIRECTS:
            story.visits[link["id"]] += 1
    story.check(f"{VISITS:,} redirects lead where they should", right == VISITS, f"{right:,}")


async def use_up(client: Client, story: LinkStory) -> None:
    """More people than a link admits arrive at once."""
    body = {"url": f"https://example.com/{story.run}/ten", "max_visits": VISITS_ALLOWED}
    link = (await client.call("create a link", "POST", "/v1/links", json=body)).json()
    visit = partial(client.visit, "redirect, raced", link["slug"])
    answers = await together(partial(visit, headers=_person(story.dice)) for _ in range(RACED_VISITS))
    admitted = sum(a.status_code in _REDIRECTS for a in answers)
    gone = sum(a.status_code == HTTPStatus.GONE for a in answers)
    story.check(
        f"max_visits={VISITS_ALLOWED} admits exactly {VISITS_ALLOWED} of {RACED_VISITS} at once",
        admitted == VISITS_ALLOWED and gone == RACED_VISITS - VISITS_ALLOWED,
        _statuses(answers),
    )


async def disable(client: Client, story: LinkStory) -> None:
    """A link that was followed a moment ago, so every cache holds it."""
    link = story.links[0]
    answer = await client.call(
        "disable a link", "POST", f"/v1/links/{link['id']}/disable", json={"reason": "demo"}
    )
    after = await together(
        partial(client.visit, "redirect, disabled", link["slug"], headers=_person(story.dice))
        for _ in range(30)
    )
    story.check(
        "a disabled link is gone at once",
        answer.is_success and all(a.status_code == HTTPStatus.GONE for a in after),
        _statuses(after),
    )
    await client.call("enable a link", "POST", f"/v1/links/{link['id']}/enable")


async def exceed(client: Client, story: LinkStory, limited_key: str) -> None:
    """The small tenant: 5 requests a second, burst 10."""
    small = client.as_tenant(limited_key)
    started = time.monotonic()
    answers = await together(
        (partial(small.call, "list, small tenant", "GET", "/v1/links?limit=1") for _ in range(LIMITED_CALLS)),
        width=8,
    )
    passed_max = LIMITED_BURST + 5 * (time.monotonic() - started) + 1
    passed = sum(a.is_success for a in answers)
    refused = [a for a in answers if a.status_code == HTTPStatus.TOO_MANY_REQUESTS]
    story.check(
        "a tenant past its rate gets 429 with Retry-After",
        0 < passed <= passed_max
        and len(refused) == LIMITED_CALLS - passed
        and all("retry-after" in a.headers for a in refused),
        _statuses(answers),
    )


async def count(client: Client, story: LinkStory) -> None:
    """Clicks travel through Kafka; the statistics must come to exactly what was sent."""
    top = story.visits.most_common(5)
    deadline = time.monotonic() + STATS_TIMEOUT_S
    started = time.monotonic()
    while True:
        seen = {}
        for link_id, _ in top:
            answer = await client.call("read statistics", "GET", f"/v1/links/{link_id}/stats")
            seen[link_id] = (
                answer.json().get("clicks", 0) if answer.is_success else f"status {answer.status_code}"
            )
        if seen == dict(top) or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.25)
    story.check(
        "statistics count every click of the five busiest links",
        seen == dict(top),
        f"{list(seen.values())} of {[sent for _, sent in top]}, after {time.monotonic() - started:.1f} s",
    )
