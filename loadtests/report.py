"""The HTML report of a run: one file that opens anywhere, without a network."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from loadtests.charts import Line, chart, linear_axis, log_axis, nines_axis

STYLE = """
:root { color-scheme: light dark; --ink: #111827; --soft: #6b7280; --rule: #e5e7eb; --page: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #f3f4f6; --soft: #9ca3af; --rule: #374151; --page: #111827; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--rule); padding: .3rem .6rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; margin: 1rem 0; } .grid { stroke: var(--rule); }
text { fill: var(--ink); } .tick { fill: var(--soft); font-size: 12px; } .title { font-weight: 600; }
.verdict { padding: .6rem 1rem; border-radius: .4rem; color: #fff; font-weight: 600; }
.passed { background: #047857; } .failed { background: #b91c1c; } .void { background: #92400e; }
.note { color: var(--soft); }
"""

PERCENTILES = ("p50", "p95", "p99", "p99.9", "max")


def render(summary: Mapping[str, Any]) -> str:
    """`summary` is what `summary.summarise` made, with `wrk` added when the cross-check ran."""
    schedule = summary["schedule"]
    title = f"Load: {summary['scenario']} at {schedule['rate_per_s']:g}/s"
    sections = [
        f"<h1>{escape(title)}</h1>",
        _verdict(summary),
        f"<p>{_setting(summary)}</p>",
        _operations(summary["operations"]),
        _plots(summary),
        _checks(summary["checks"]),
        _generator(summary),
        _wrk(summary.get("wrk")),
    ]
    head = f"<meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(sections)}</body></html>\n"


def _verdict(summary: Mapping[str, Any]) -> str:
    if summary["generator"]["saturated"]:
        return '<p class="verdict void">Void: the generator was saturated, these figures prove nothing</p>'
    broken = [check for check in summary["checks"] if not check["passed"]]
    if broken:
        return (
            f'<p class="verdict failed">Failed: {len(broken)} of {len(summary["checks"])} limits broken</p>'
        )
    return f'<p class="verdict passed">Passed: all {len(summary["checks"])} limits held</p>'


def _setting(summary: Mapping[str, Any]) -> str:
    schedule, machine = summary["schedule"], summary["machine"]
    return (
        f"{schedule['arrivals'].capitalize()} arrivals for {schedule['duration_s']:g} s "
        f"(the first {schedule['warmup_s']:g} s not counted), seed {schedule['seed']}. "
        f"Achieved {summary['achieved_per_s']:.1f}/s; {summary['unfinished']} unfinished. "
        f"{escape(summary['date'])}, {machine['cores']} x {escape(machine['cpu'])}, "
        f"Python {escape(machine['python'])}."
    )


def _operations(operations: Mapping[str, Any]) -> str:
    rows = [
        [name, f"{data['count']:,}", f"{sum(data['errors'].values()):,}"]
        + [_ms(data["latency_ms"].get(key)) for key in PERCENTILES]
        + [_ms(data["service_ms"].get("p99"))]
        for name, data in operations.items()
    ]
    reasons = ", ".join(
        f"{escape(reason)}: {count:,}" for reason, count in operations["all"]["errors"].items()
    )
    heads = ["operation", "requests", "errors", *PERCENTILES, "p99 from sending"]
    note = (
        "<p class=note>Latency in ms from the intended start of each request. The last column counts from "
        "the moment it was sent: what a closed-loop tool reports.</p>"
    )
    return _table(heads, rows) + note + (f"<p>Errors: {reasons}</p>" if reasons else "")


def _plots(summary: Mapping[str, Any]) -> str:
    total, over_time = summary["operations"]["all"], summary["over_time"]
    curves = [Line("from intended start", total["curve"]), Line("from sending", total["service_curve"])]
    points = [point for curve in curves for point in curve.points]
    by_percentile = chart(
        "Latency by percentile",
        curves,
        x=nines_axis([across for across, _ in points]),
        y=log_axis([value for _, value in points]),
        log_y=True,
    )
    times = [piece["at_s"] for piece in over_time]
    lines = [
        Line(key.removesuffix("_ms"), [(piece["at_s"], piece[key]) for piece in over_time])
        for key in ("p50_ms", "p99_ms", "max_ms")
    ]
    heights = [value for line in lines for _, value in line.points]
    seconds = linear_axis(times, " s")
    latency = chart("Latency over time", lines, x=seconds, y=log_axis(heights), log_y=True)
    rates = [
        Line("requests/s", [(piece["at_s"], piece["per_s"]) for piece in over_time]),
        Line("errors", [(piece["at_s"], piece["errors"]) for piece in over_time]),
    ]
    per_s = linear_axis([value for line in rates for _, value in line.points], from_zero=True)
    return by_percentile + latency + chart("Requests by intended start", rates, x=seconds, y=per_s)


def _checks(checks: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        [
            f"{check['operation']} {check['limit']}",
            f"{check['wanted']:g}",
            f"{check['measured']:.4g}",
            "held" if check["passed"] else "<b>broken</b>",
        ]
        for check in checks
    ]
    return "<h2>Limits</h2>" + _table(["limit", "wanted", "measured", ""], rows) if rows else ""


def _generator(summary: Mapping[str, Any]) -> str:
    generator, late = summary["generator"], summary["late_starts"]
    lag = generator["lag_ms"]
    return (
        "<h2>Was the generator honest?</h2>"
        f"<p>{generator['workers']} workers, {generator['cpu_ratio']:.0%} of one core. Its own lag: p50 "
        f"{_ms(lag.get('p50'))} ms, p99 {_ms(lag.get('p99'))} ms (limit {generator['lag_p99_ms_max']:g} ms, "
        "above which a run is void). "
        f"{late['count']:,} arrivals found no free worker and waited; the wait is in their latency.</p>"
    )


def _wrk(wrk: Mapping[str, Any] | None) -> str:
    if wrk is None:
        return ""
    rows = [
        [row["name"], f"{row['per_s']:,.0f}", _ms(row["p50_ms"]), _ms(row["p99_ms"]), _ms(row["max_ms"])]
        for row in wrk["rows"]
    ]
    table = _table(["redirects only", "requests/s", "p50 ms", "p99 ms", "max ms"], rows)
    return f"<h2>Cross-check with wrk</h2>{table}<p class=note>{escape(wrk['why'])}</p>"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"
