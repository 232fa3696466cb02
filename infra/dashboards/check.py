"""Runs every query of every dashboard against a live Prometheus and fails on an error or an empty answer."""

import argparse
import json
import math
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "infra" / "grafana" / "provisioning" / "dashboards"
TIMEOUT_S = 20.0
VARIABLE = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")
# What Grafana would put in for a short range scraped every 5 seconds.
BUILTIN = {"__rate_interval": "20s", "__interval": "5s", "__range": "300s"}


@dataclass(frozen=True, slots=True)
class PanelQuery:
    dashboard: str
    panel: str
    expr: str
    exemplars: bool

    def __str__(self) -> str:
        return f"{self.dashboard} / {self.panel}: {self.expr}"


def interpolate(expr: str, dashboard: dict[str, Any]) -> str:
    values = dict(BUILTIN)
    for variable in dashboard.get("templating", {}).get("list", []):
        values[variable["name"]] = variable.get("allValue") or ".*"
    return VARIABLE.sub(lambda match: values.get(match[1], match[0]), expr)


def read_queries(folder: Path = DASHBOARDS) -> Iterator[PanelQuery]:
    for path in sorted(folder.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                expr = interpolate(target["expr"], dashboard)
                yield PanelQuery(dashboard["title"], panel["title"], expr, bool(target.get("exemplar")))


def read_variables(folder: Path = DASHBOARDS) -> Iterator[PanelQuery]:
    """The series behind each template variable."""
    for path in sorted(folder.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for variable in dashboard.get("templating", {}).get("list", []):
            selector = variable["query"].removeprefix("label_values(").rpartition(",")[0]
            yield PanelQuery(
                dashboard["title"], f"${variable['name']}", interpolate(selector, dashboard), False
            )


def complaint(client: httpx.Client, query: PanelQuery) -> str | None:
    """Why the panel would show nothing; None when it has a number."""
    answer = client.get("/api/v1/query", params={"query": query.expr})
    body = answer.json()
    if body["status"] != "success":
        return str(body["error"])
    if body["data"]["resultType"] == "scalar":
        return None
    values = [float(series["value"][1]) for series in body["data"]["result"]]
    if not values:
        return "empty"
    return None if any(math.isfinite(value) for value in values) else "no finite number"


def has_exemplars(client: httpx.Client, queries: list[PanelQuery], since_s: float) -> bool:
    now = time.time()
    for query in queries:
        parameters: dict[str, str | float] = {"query": query.expr, "start": now - since_s, "end": now}
        if client.get("/api/v1/query_exemplars", params=parameters).json().get("data"):
            return True
    return False


def main() -> int:
    local = f"http://127.0.0.1:{os.environ.get('PROMETHEUS_PORT') or 19090}"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prometheus", default=os.environ.get("PROMETHEUS_URL") or local)
    parser.add_argument("--exemplars", action="store_true", help="ask for at least one exemplar, too")
    options = parser.parse_args()
    queries = list(read_queries())
    with httpx.Client(base_url=options.prometheus, timeout=TIMEOUT_S, trust_env=False) as client:
        try:
            wrong = [
                (query, why) for query in [*read_variables(), *queries] if (why := complaint(client, query))
            ]
            exemplars = has_exemplars(client, [q for q in queries if q.exemplars], 3600)
        except httpx.TransportError as error:
            print(f"Prometheus does not answer at {options.prometheus}: {error}", file=sys.stderr)
            return 2
    for query, why in wrong:
        print(f"{why}: {query}", file=sys.stderr)
    if options.exemplars and not exemplars:
        print("no exemplar: is the exemplar storage on, and was a request sampled?", file=sys.stderr)
    print(
        f"{len(queries)} queries, {len(wrong)} without an answer, exemplars: {'yes' if exemplars else 'no'}"
    )
    return 1 if wrong or (options.exemplars and not exemplars) else 0


if __name__ == "__main__":
    sys.exit(main())
