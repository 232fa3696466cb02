"""Metrics under load: remote write as Prometheus sends it, other protocols, queries, points until seen."""

import time
from collections.abc import Iterator, Mapping
from itertools import count
from time import perf_counter
from typing import Any, ClassVar
from urllib.parse import urlencode

import gevent

from loadtests import remote_write
from loadtests.harness import OpenEnvironment, OpenUser
from loadtests.http import Answer, Http, Unexpected
from loadtests.target import Target

# The same in every run, or a run would use up the tenant's budget of new series.
SERIES = 2_000
BODY_SERIES = 500
POINTS = 20
POLL_S = 0.05
SEEN_S_MAX = 12.0
BAD_SERIES = remote_write.series({"__name__": "traffic_requests_total", "": "a label without a name"})


class MetricsUser(OpenUser):
    """`fresh` measures from the intended start to the query that shows the point."""

    service = "metrics-ingest"
    rate_per_s = 40.0
    url_variable = "METRICS_URL"
    mix: ClassVar[Mapping[str, float]] = {
        "remote_write": 50,
        "json_points": 10,
        "influx": 5,
        "partial": 3,
        "fresh": 5,
        "query": 14,
        "query_range": 10,
        "ledger": 3,
    }
    authorization: ClassVar[Mapping[str, str]] = {}
    heads: ClassVar[list[bytes]] = []
    names: ClassVar[Iterator[int]] = count()

    def __init__(self, environment: OpenEnvironment) -> None:
        super().__init__(environment)
        # A series of its own to write and to wait for.
        self.name = str(next(self.names))

    @classmethod
    def prepare(cls, target: Target, environ: Mapping[str, str]) -> None:
        """All series are known before the first arrival."""
        cls.authorization = {"Authorization": f"Bearer {environ['METRICS_API_KEY']}"}
        cls.heads = [remote_write.series(_labels(number)) for number in range(SERIES)]
        http = Http(target)
        try:
            for first in range(0, SERIES, BODY_SERIES):
                _write(http, cls.heads[first : first + BODY_SERIES], cls.authorization).expect(204)
        finally:
            http.close()

    def remote_write(self) -> None:
        self._write(self._some_heads()).expect(204)

    def partial(self) -> None:
        """One bad series among many: the others are stored, and the answer says so."""
        answer = self._write([*self._some_heads()[1:], BAD_SERIES]).expect(400)
        if answer.headers.get(remote_write.WRITTEN) != str(BODY_SERIES - 1):
            raise Unexpected("another number written")

    def json_points(self) -> None:
        gauges = [{"name": "traffic_level", "labels": {"item": str(n)}, "value": n} for n in range(POINTS)]
        answer = self._post_points(gauges)
        if answer["accepted"] != POINTS:
            raise Unexpected("points refused")

    def influx(self) -> None:
        lines = "\n".join(f"traffic_cpu,host=load-{n} usage={self.random.random()}" for n in range(POINTS))
        headers = {**self.authorization, "Content-Type": "text/plain"}
        self.http.send("POST", "/api/v2/write", body=lines.encode(), headers=headers).expect(204)

    def fresh(self) -> None:
        """Read what was just written: the query waits for its position."""
        sent = int(time.time() * 1000)
        point = {"name": "traffic_fresh", "labels": {"sender": self.name}, "value": sent}
        position = self._post_points([point])["position"]
        question = f'traffic_fresh{{sender="{self.name}"}}'
        deadline = perf_counter() + SEEN_S_MAX
        while perf_counter() < deadline:
            answer = self._query("query", query=question, min_position=position).expect(200, 503)
            if answer.status == 200:  # noqa: PLR2004
                found = [one["value"][1] for one in answer.json()["data"]["result"]]
                if found != [str(sent)]:
                    raise Unexpected("another point seen")
                return
            gevent.sleep(POLL_S)
        raise Unexpected("not seen in time")

    def query(self) -> None:
        expression = f'sum(rate(traffic_requests_total{{zone="{self.random.randrange(10)}"}}[1m]))'
        self._query("query", query=expression).expect(200)

    def query_range(self) -> None:
        now = time.time()
        host = self.random.randrange(SERIES // 10)
        expression = f'rate(traffic_requests_total{{host="load-{host:03d}"}}[1m])'
        span = {"start": f"{now - 600:.0f}", "end": f"{now:.0f}", "step": "15"}
        self._query("query_range", query=expression, **span).expect(200)

    def ledger(self) -> None:
        """While points flow, nothing may be left over."""
        [account] = self._get("/api/v1/ledger").expect(200).json()["tenants"]
        if account["residue"]:
            raise Unexpected("points left over")
        if account["received"] != account["accepted"] + sum(account["rejected"].values()):
            raise Unexpected("received is not accepted and rejected")

    def _some_heads(self) -> list[bytes]:
        first = self.random.randrange(SERIES // BODY_SERIES) * BODY_SERIES
        return self.heads[first : first + BODY_SERIES]

    def _write(self, heads: list[bytes]) -> Answer:
        return _write(self.http, heads, self.authorization)

    def _post_points(self, points: list[dict[str, Any]]) -> Any:
        send = self.http.send
        return (
            send("POST", "/api/v1/points", document={"points": points}, headers=self.authorization)
            .expect(202)
            .json()
        )

    def _query(self, endpoint: str, **parameters: str) -> Answer:
        return self._get(f"/api/v1/{endpoint}?{urlencode(parameters)}")

    def _get(self, path: str) -> Answer:
        return self.http.send("GET", path, headers=self.authorization)


def _labels(number: int) -> dict[str, str]:
    return {
        "__name__": "traffic_requests_total",
        "host": f"load-{number // 10:03d}",
        "job": "load",
        "route": f"/v1/things/{number % 10}",
        "zone": str(number % 10),
    }


def _write(http: Http, heads: list[bytes], headers: Mapping[str, str]) -> Answer:
    """Counters that grow with the clock, as all that scrape once a second would see them."""
    now = time.time()
    packed = remote_write.body(heads, [now] * len(heads), int(now * 1000))
    return http.send("POST", "/api/v1/write", body=packed, headers={**headers, **remote_write.HEADERS})
