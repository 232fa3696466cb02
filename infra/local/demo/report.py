"""The demo's last page: what was done, how fast, what held, where to look next."""

from collections.abc import Mapping, Sequence

from infra.local.demo.story import Check
from infra.local.demo.traffic import PERCENTS, Recorder

_LATE_MS_MAX = 50.0


def render(
    recorder: Recorder, checks: Sequence[Check], addresses: Mapping[str, str], times: Mapping[str, float]
) -> str:
    parts = [_requests(recorder), _checks(checks), _where(addresses), _times(times)]
    return "\n\n".join(parts)


def _requests(recorder: Recorder) -> str:
    heads = "".join(f"{f'p{percent} ms':>10}" for percent in PERCENTS)
    lines = [f"{'What was asked':<24}{'count':>7}{heads}  answers"]
    for kind, latencies in recorder.latencies.items():
        numbers = "".join(f"{value:>10.1f}" for value in recorder.percentiles(kind))
        statuses = ", ".join(
            f"{count} x {status}" for status, count in sorted(recorder.statuses[kind].items())
        )
        lines.append(f"{kind:<24}{len(latencies):>7,}{numbers}  {statuses}")
    lines.append(
        "Timed in one Python client beside all servers on this machine; redirects from their intended start."
    )
    if recorder.late_ms_max > _LATE_MS_MAX:
        late = f"{recorder.late_ms_max:,.0f} ms"
        lines.append(f"The machine was busy: the client itself was up to {late} late, which counts above.")
    return "\n".join(lines)


def _checks(checks: Sequence[Check]) -> str:
    width = max(len(check.claim) for check in checks)
    lines = [f"  {'held  ' if c.held else 'BROKEN'}  {c.claim:<{width}}  {c.seen}" for c in checks]
    return "\n".join(["What was expected", *lines])


def _where(addresses: Mapping[str, str]) -> str:
    documented = ("SHORTENER_URL", "PAYMENTS_URL", "ORDERS_URL", "METRICS_URL")
    docs = [f"{addresses[name]}/docs" for name in documented if name in addresses]
    rows = [
        ("API docs", "  ".join(docs)),
        ("Dashboards", addresses.get("GRAFANA_URL") or "make dashboards"),
        ("Prometheus", addresses.get("PROMETHEUS_URL", "")),
        (
            "Metrics",
            addresses.get("METRICS_URL", "") and "a Prometheus data source: $METRICS_URL, any user, the key",
        ),
        ("Alertmanager", addresses.get("ALERTMANAGER_URL", "")),
        ("Traces", (addresses.get("TEMPO_URL", "") and "Grafana, Explore, Tempo") or "make trace"),
        ("Mails", (addresses.get("MAILCATCHER_URL", "") and f"{addresses['MAILCATCHER_URL']}/messages")),
        ("Dead letters", "make dead-letters" if "ORDERS_URL" in addresses else ""),
        ("Keys and addresses", 'eval "$(make -s env)"'),
        ("Then", "make status, make scale SERVICE=payments N=2, make stop"),
    ]
    return "\n".join(["Where to look", *(f"  {name:<20}{value}" for name, value in rows if value)])


def _times(times: Mapping[str, float]) -> str:
    return "It took " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in times.items())
