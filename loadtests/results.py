"""The results of a run as metrics of their own: pushed to metrics-ingest, so that runs can be compared."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from loadtests.http import Http, Unexpected
from loadtests.target import TargetRefused, parse_target

PUSH_PATH = "/api/v1/points"
QUANTILES = {"p50": "0.5", "p95": "0.95", "p99": "0.99", "p99.9": "0.999", "max": "1"}
TRIES_MAX = 3


def push(summary: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """What became of it, for a person; a run's verdict never depends on it."""
    url, key = environ.get("METRICS_URL"), environ.get("METRICS_API_KEY")
    if not url or not key:
        return "results stay here: METRICS_URL and METRICS_API_KEY are not set"
    found = list(points(summary, int(time.time() * 1000)))
    try:
        http = Http(parse_target(url), {"Authorization": f"Bearer {key}"})
    except TargetRefused as error:
        return f"results stay here: {error}"
    try:
        answer = _post(http, found)
    except Unexpected as error:
        return f"results stay here: metrics-ingest answered otherwise ({error})"
    finally:
        http.close()
    return f"results: {answer['accepted']} of {len(found)} points at {url} (load_latency_seconds, ...)"


def _post(http: Http, found: list[dict[str, Any]]) -> Any:
    """Points have their time: sent again they are the same ones."""
    for left in reversed(range(TRIES_MAX)):
        answer = http.send("POST", PUSH_PATH, document={"points": found})
        if answer.status != 503 or not left:  # noqa: PLR2004
            break
        time.sleep(1)
    return answer.expect(202).json()


def points(summary: Mapping[str, Any], timestamp_ms: int) -> Iterator[dict[str, Any]]:
    """One a number, of the labels `scenario`, `operation` and `quantile`: the same series in every run."""

    def point(name: str, value: float, **labels: str) -> dict[str, Any]:
        told = {"scenario": summary["scenario"], **labels}
        return {"name": f"load_{name}", "labels": told, "value": value, "timestamp_ms": timestamp_ms}

    for operation, data in summary["operations"].items():
        yield point("requests", data["count"], operation=operation)
        yield point("errors", sum(data["errors"].values()), operation=operation)
        for key, quantile in QUANTILES.items():
            if key in data["latency_ms"]:
                seconds = data["latency_ms"][key] / 1000
                yield point("latency_seconds", seconds, operation=operation, quantile=quantile)
    yield point("scheduled_per_second", summary["schedule"]["rate_per_s"])
    yield point("achieved_per_second", summary["achieved_per_s"])
    yield point("limits_broken", sum(not check["passed"] for check in summary["checks"]))
    yield point("generator_saturated", int(summary["generator"]["saturated"]))
