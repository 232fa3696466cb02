"""What the demo sends to metrics-ingest: seven protocols, good and bad points, and what readers see."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from infra.local.demo import traffic
from infra.local.demo.story import Story
from infra.local.demo.traffic import Recorder, require_loopback
from infra.local.errors import LocalError
from loadtests import remote_write

SERIES = 500
TIMEOUT_S = 30.0
SETTLED_S = 0.5
# A store that has just come back is asked again a little later each time, and slowly by a busy machine.
SETTLE_TIMEOUT_S = 90.0
HINT = "make status, then make logs SERVICE=metrics-ingest, or SERVICE=metrics-writer"
_JSON = {"Content-Type": "application/json"}
_PROTOCOLS = {"json", "influx", "exposition", "otlp", "datadog", "statsd", "remote_write"}


@dataclass(slots=True)
class PointStory(Story):
    """What the ledger should say in the end: points by what was told of them."""

    accepted: int = 0
    refused: int = 0
    # The account before the first of them.
    before: dict[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """What this run's points are known by: a label of each run would use up the tenant's new series."""
        return int(self.run, 16) % 1_000_000 + 0.5


@dataclass(frozen=True, slots=True)
class Meters:
    """The API with the key of one tenant and of another, every call timed."""

    tenant: httpx.AsyncClient
    stranger: httpx.AsyncClient
    stack: httpx.AsyncClient
    statsd: tuple[str, int]
    recorder: Recorder

    async def send(
        self, kind: str, path: str, content: bytes | str, headers: Mapping[str, str] = _JSON
    ) -> httpx.Response:
        started = time.monotonic()
        answer = await self.tenant.post(path, content=content, headers=dict(headers))
        self.recorder.note(kind, answer.status_code, (time.monotonic() - started) * 1000)
        return answer

    async def write(self, heads: list[bytes], values: list[float], at_ms: int) -> httpx.Response:
        """Remote write 1.0: one sample of each series."""
        body = remote_write.body(heads, values, at_ms)
        return await self.send("remote write", "/api/v1/write", body, remote_write.HEADERS)

    async def ask(
        self, expression: str, *, who: httpx.AsyncClient | None = None, **parameters: str
    ) -> list[dict[str, Any]]:
        """An instant query; one with a `min_position` waits until that has been stored."""
        parameters = {"query": expression, **parameters}

        async def look() -> list[dict[str, Any]] | None:
            started = time.monotonic()
            answer = await (who or self.tenant).get("/api/v1/query", params=parameters)
            self.recorder.note("PromQL query", answer.status_code, (time.monotonic() - started) * 1000)
            if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                return None
            found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]["result"]
            return found

        return await traffic.eventually(f"an answer to {expression}", look, hint=HINT)

    async def account(self) -> dict[str, Any]:
        answer = await self.tenant.get("/api/v1/ledger")
        [found] = answer.raise_for_status().json()["tenants"]
        return dict(found)

    async def settled(self, received: int) -> dict[str, Any]:
        """The account once at least so many points are in it, and none is on its way any more."""

        async def look() -> dict[str, Any] | None:
            found = await self.account()
            await asyncio.sleep(SETTLED_S)
            # What was acknowledged a moment ago may not be counted yet.
            calm = found["received"] >= received and not found["in_flight"]
            return found if calm and found == await self.account() else None

        what = "a ledger with nothing in flight"
        return await traffic.eventually(what, look, hint=HINT, timeout_s=SETTLE_TIMEOUT_S)


@asynccontextmanager
async def opened(addresses: dict[str, str], recorder: Recorder) -> AsyncIterator[Meters]:
    url = addresses["METRICS_URL"]
    require_loopback(url, "METRICS_URL")
    host, _, port = addresses["STATSD_ADDR"].rpartition(":")

    def client(key: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {addresses[key]}"}
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False)

    async with (
        client("METRICS_API_KEY") as tenant,
        client("METRICS_API_KEY_2") as stranger,
        client("METRICS_API_KEY_STACK") as stack,
    ):
        try:
            yield Meters(tenant, stranger, stack, (host, int(port)), recorder)
        except httpx.HTTPError as error:
            raise LocalError(
                f"metrics-ingest answered otherwise than the demo expects: {error!r}", hint=HINT
            ) from error


async def send(meters: Meters, story: PointStory) -> None:
    """The same gauge by every protocol; the answer of the last has a position that a query waits for."""
    story.before = await meters.settled(received=0)
    _say_to_statsd(meters, f"demo.temperature:{story.value}|g|#via:statsd")
    statuses = [
        (await meters.send(kind, path, body, headers)).status_code
        for kind, path, body, headers in messages(story.value)
    ]
    head = remote_write.series({"__name__": "demo_temperature", "via": "remote_write"})
    written = await meters.write([head], [story.value], int(time.time() * 1000))
    point = {"name": "demo_temperature", "labels": {"via": "json"}, "value": story.value}
    answer = await meters.send("JSON points", "/api/v1/points", json.dumps({"points": [point]}))
    position = answer.raise_for_status().json()["position"]
    seen = await meters.ask(f'demo_temperature{{via="json"}} == {story.value}', min_position=position)
    story.check(
        "a point is seen by the query that follows it",
        len(seen) == 1,
        f"{answer.status_code}, position {position}, then {len(seen)} series",
    )
    story.accepted += len(_PROTOCOLS)
    statuses += [written.status_code, answer.status_code]
    await _see_all(meters, story, statuses)


async def _see_all(meters: Meters, story: PointStory, statuses: list[int]) -> None:
    protocols: set[str] = set()

    async def look() -> bool | None:
        found = await meters.ask(f"demo_temperature == {story.value}")
        protocols.update(one["metric"]["via"] for one in found)
        return protocols >= _PROTOCOLS or None

    with suppress(LocalError):
        await traffic.eventually("the points of every protocol", look, hint=HINT)
    answers = ", ".join(map(str, statuses))
    seen = f"{', '.join(sorted(protocols))} ({answers})"
    story.check("seven protocols, one metric", protocols == _PROTOCOLS, seen)


def messages(value: float) -> list[tuple[str, str, str, Mapping[str, str]]]:
    """Kind of request, path, body, headers."""
    attributes = [{"key": "via", "value": {"stringValue": "otlp"}}]
    now_ns = time.time_ns()
    gauge = {"dataPoints": [{"asDouble": value, "timeUnixNano": str(now_ns), "attributes": attributes}]}
    metrics = [{"name": "demo.temperature", "gauge": gauge}]
    otlp = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    points = [{"timestamp": now_ns // 10**9, "value": value}]
    datadog = {
        "series": [{"metric": "demo.temperature", "type": 3, "points": points, "tags": ["via:datadog"]}]
    }
    text = {"Content-Type": "text/plain"}
    return [
        ("Influx lines", "/api/v2/write", f"demo,via=influx temperature={value}", text),
        (
            "text exposition",
            "/api/v1/import/prometheus",
            f'demo_temperature{{via="exposition"}} {value}\n',
            text,
        ),
        ("OTLP", "/v1/metrics", json.dumps(otlp), _JSON),
        ("Datadog series", "/api/v2/series", json.dumps(datadog), _JSON),
    ]


def _say_to_statsd(meters: Meters, line: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packet:
        packet.sendto(line.encode(), meters.statsd)


async def refuse(meters: Meters, story: PointStory) -> None:
    """What is valid of a request is stored, and the answer says precisely what is not."""
    bad = remote_write.series({"__name__": "demo_batch", "": "a label without a name"})
    answer = await meters.write(
        [*heads("demo_batch")[1:], bad], [story.value] * SERIES, int(time.time() * 1000)
    )
    story.accepted, story.refused = story.accepted + SERIES - 1, story.refused + 1
    written = answer.headers.get(remote_write.WRITTEN)
    story.check(
        f"one bad series among {SERIES}: {SERIES - 1} are stored, and the answer says so",
        (answer.status_code, written) == (HTTPStatus.BAD_REQUEST, str(SERIES - 1)),
        f"{answer.status_code}: {answer.text.strip()[:90]}",
    )

    points = [
        {"name": "demo_level", "value": story.value},
        {"name": "", "value": story.value},
        {"name": "demo_level_of_nothing", "value": "NaN"},
        {"name": "demo_level", "value": story.value, "timestamp_ms": 1},
    ]
    answer = await meters.send("JSON points", "/api/v1/points", json.dumps({"points": points}))
    story.accepted, story.refused = story.accepted + 2, story.refused + 2
    told = answer.json()
    wanted = [{"index": 1, "reason": "missing_name"}, {"index": 3, "reason": "too_old"}]
    story.check(
        "bad points are refused by index and reason, the others stored",
        (answer.status_code, told["accepted"], told["rejected"]) == (HTTPStatus.ACCEPTED, 2, wanted),
        f"{answer.status_code}: " + ", ".join(f"{one['index']} {one['reason']}" for one in told["rejected"]),
    )
    await _look_across(meters, story, told["position"])


def heads(name: str) -> list[bytes]:
    """The same series in every run."""
    return [remote_write.series({"__name__": name, "n": str(number)}) for number in range(SERIES)]


async def _look_across(meters: Meters, story: PointStory, position: str) -> None:
    expression = f"demo_level == {story.value}"
    own = await meters.ask(expression, min_position=position)
    others = await meters.ask(expression, who=meters.stranger)
    story.check(
        "another tenant's key sees none of it",
        (len(own), len(others)) == (1, 0),
        f"{len(own)} series by one key, {len(others)} by the other",
    )


async def scraped(meters: Meters, story: PointStory) -> None:
    """The stack's own Prometheus writes here, too."""

    async def look() -> str | None:
        found = await meters.ask("count(up == 1)", who=meters.stack)
        return str(found[0]["value"][1]) if found else None

    seen = await traffic.eventually("what Prometheus writes", look, hint=HINT)
    story.check("what Prometheus scrapes arrives here by remote write", int(seen) > 0, f"{seen} targets")
