"""What the demo sends to metrics-ingest: seven protocols, good and bad points, and what readers see."""

import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
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
DEGREES = 21.5
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

    def series(self, name: str, **labels: str) -> bytes:
        return remote_write.series({"__name__": name, "run": self.run, **labels})


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
        self, expression: str, *, who: httpx.AsyncClient | None = None, position: str = ""
    ) -> list[dict[str, Any]]:
        """An instant query; one at a position waits until it has been stored."""
        parameters = {"query": expression} | ({"min_position": position} if position else {})

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
    story.before = await meters.account()
    _say_to_statsd(meters, f"demo.temperature:{DEGREES}|g|#run:{story.run},via:statsd")
    statuses = [
        (await meters.send(kind, path, body, headers)).status_code
        for kind, path, body, headers in messages(story.run)
    ]
    written = await meters.write(
        [story.series("demo_temperature", via="remote_write")], [DEGREES], int(time.time() * 1000)
    )
    point = {"name": "demo_temperature", "labels": {"run": story.run, "via": "json"}, "value": DEGREES}
    answer = await meters.send("JSON points", "/api/v1/points", json.dumps({"points": [point]}))
    seen = await meters.ask(
        f'demo_temperature{{run="{story.run}", via="json"}}', position=answer.json()["position"]
    )
    story.check(
        "a point is seen by the query that follows it",
        [one["value"][1] for one in seen] == [str(DEGREES)],
        f"{answer.status_code}, position {answer.json()['position']}, then {len(seen)} series",
    )
    story.accepted += len(_PROTOCOLS)

    async def all_of_them() -> set[str] | None:
        found = await meters.ask(f'demo_temperature{{run="{story.run}"}} == {DEGREES}')
        protocols = {one["metric"]["via"] for one in found}
        return protocols if len(protocols) >= len(_PROTOCOLS) else None

    protocols = await traffic.eventually("the points of every protocol", all_of_them, hint=HINT)
    story.check(
        "seven protocols, one metric",
        protocols == _PROTOCOLS,
        f"{', '.join(sorted(protocols))}: {[*statuses, written.status_code, answer.status_code]}",
    )


def messages(run: str) -> list[tuple[str, str, str, Mapping[str, str]]]:
    """Kind of request, path, body, headers."""
    labels = {"run": run, "via": "otlp"}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in labels.items()]
    now_ns = time.time_ns()
    gauge = {"dataPoints": [{"asDouble": DEGREES, "timeUnixNano": str(now_ns), "attributes": attributes}]}
    metrics = [{"name": "demo.temperature", "gauge": gauge}]
    otlp = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    points = [{"timestamp": now_ns // 10**9, "value": DEGREES}]
    tags = [f"run:{run}", "via:datadog"]
    datadog = {"series": [{"metric": "demo.temperature", "type": 3, "points": points, "tags": tags}]}
    text = {"Content-Type": "text/plain"}
    return [
        ("Influx lines", "/api/v2/write", f"demo,run={run},via=influx temperature={DEGREES}", text),
        (
            "text exposition",
            "/api/v1/import/prometheus",
            f'demo_temperature{{run="{run}",via="exposition"}} {DEGREES}\n',
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
    heads = [story.series("demo_batch", n=str(number)) for number in range(SERIES - 1)]
    bad = story.series("demo_batch", **{"": "a label without a name"})
    answer = await meters.write([*heads, bad], [1.0] * SERIES, int(time.time() * 1000))
    story.accepted, story.refused = story.accepted + SERIES - 1, story.refused + 1
    written = answer.headers.get(remote_write.WRITTEN)
    story.check(
        f"one bad series among {SERIES}: {SERIES - 1} are stored, and the answer says so",
        (answer.status_code, written) == (HTTPStatus.BAD_REQUEST, str(SERIES - 1)),
        f"{answer.status_code}: {answer.text.strip()[:90]}",
    )

    labels = {"run": story.run}
    points = [
        {"name": "demo_level", "labels": labels, "value": 3},
        {"name": "", "labels": labels, "value": 3},
        {"name": "demo_level_of_nothing", "labels": labels, "value": "NaN"},
        {"name": "demo_level", "labels": labels, "value": 3, "timestamp_ms": 1},
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
    await _look_around(meters, story, told["position"])


async def _look_around(meters: Meters, story: PointStory, position: str) -> None:
    own = await meters.ask(f'count(demo_level{{run="{story.run}"}})', position=position)
    others = await meters.ask(f'count({{run="{story.run}"}})', who=meters.stranger)
    story.check(
        "another tenant's key sees none of it",
        (len(own), others) == (1, []),
        f"{len(own)} answer, and {len(others)}",
    )


async def scraped(meters: Meters, story: PointStory) -> None:
    """The stack's own Prometheus writes here, too."""

    async def look() -> str | None:
        found = await meters.ask("count(up == 1)", who=meters.stack)
        return str(found[0]["value"][1]) if found else None

    seen = await traffic.eventually("what Prometheus writes", look, hint=HINT)
    story.check("what Prometheus scrapes arrives here by remote write", int(seen) > 0, f"{seen} targets")
