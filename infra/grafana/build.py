"""Writes every dashboard as the JSON that Grafana is provisioned with: python -m infra.grafana.build."""

import json
from collections.abc import Callable
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from infra.grafana.dashboards import (
    events,
    metrics_ingest,
    orders,
    payments_internals,
    payments_overview,
    runtime,
    shortener_internals,
    shortener_overview,
    slo,
)

OUTPUT = Path(__file__).parent / "provisioning" / "dashboards"

BUILDERS: dict[str, Callable[[], Dashboard]] = {
    "shortener-overview": shortener_overview.build,
    "shortener-internals": shortener_internals.build,
    "payments-overview": payments_overview.build,
    "payments-internals": payments_internals.build,
    "orders": orders.build,
    "metrics-ingest": metrics_ingest.build,
    "events": events.build,
    "runtime": runtime.build,
    "slo": slo.build,
}


def render(build: Callable[[], Dashboard]) -> str:
    """The dashboard's JSON, its panels numbered from 1 so that links to a panel stay valid."""
    dashboard = json.loads(json.dumps(build().build(), cls=JSONEncoder))
    for number, panel in enumerate(dashboard["panels"], start=1):
        panel["id"] = number
    return json.dumps(dashboard, indent=2, sort_keys=True) + "\n"


def main() -> None:
    for uid, build in BUILDERS.items():
        path = OUTPUT / f"{uid}.json"
        path.write_text(render(build), encoding="utf-8")
        print(f"{path.name}: written")


if __name__ == "__main__":
    main()
