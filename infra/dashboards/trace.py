"""Prints a trace as a waterfall, or the latest traces: python infra/dashboards/trace.py [ID]."""

import argparse
import os
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.dashboards import traces

ROOT = Path(__file__).resolve().parents[2]
COLORS = ("bright_blue", "green", "yellow", "magenta", "cyan", "bright_red")
BAR_WIDTH_MIN = 20
NAME_WIDTH_MAX = 46
ID_LENGTH = 32
ID_SHOWN = 16


def duration(nanoseconds: int) -> str:
    for size, unit in ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.2f} {unit}"
    return f"{nanoseconds} ns"


def moment(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9).astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def bar(span: traces.Span, start_ns: int, total_ns: int, width: int) -> str:
    """The span's time as a part of the trace's; never shorter than one cell."""
    left = min(int((span.start_ns - start_ns) / total_ns * width), width - 1)
    length = max(1, round(span.duration_ns / total_ns * width))
    return " " * left + "━" * min(length, width - left)


def show_trace(console: Console, spans: list[traces.Span]) -> None:
    start = min(span.start_ns for span in spans)
    total = max(1, max(span.end_ns for span in spans) - start)
    services = sorted({span.service for span in spans})
    color = {service: COLORS[index % len(COLORS)] for index, service in enumerate(services)}
    width = max(BAR_WIDTH_MIN, console.width - NAME_WIDTH_MAX - 32)
    facts = (moment(start), duration(total), f"{len(spans)} spans")
    console.print(f"trace [bold]{spans[0].trace_id}[/]", *facts, sep="  ")
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("span", max_width=NAME_WIDTH_MAX, no_wrap=True)
    table.add_column("service", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column(f"0 {'·' * max(1, width - len(duration(total)) - 3)} {duration(total)}", no_wrap=True)
    for depth, span in traces.waterfall(spans):
        name = Text("  " * depth + span.name)
        if span.failed:
            name.append("  ✗ " + (span.status or "error"), style="red")
        style = color[span.service]
        line = Text(bar(span, start, total, width), style="red" if span.failed else style)
        table.add_row(name, Text(span.service, style=style), duration(span.duration_ns), line)
    console.print(table)


def show_latest(console: Console, listed: list[traces.Summary]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("trace", "started", "spans", "took", "root", "services"):
        right = title in {"spans", "took"}
        fixed = title in {"trace", "started", "spans", "took"}
        minimum = ID_SHOWN if title == "trace" else None
        table.add_column(title, justify="right" if right else "left", no_wrap=fixed, min_width=minimum)
    for one in listed:
        name = Text(one.name, style="red" if one.failed else "")
        facts = (moment(one.start_ns)[11:], str(one.spans), duration(one.duration_ns))
        table.add_row(one.trace_id[:ID_SHOWN], *facts, name, ", ".join(one.services))
    console.print(table)
    console.print("`make trace ID=` with one of these shows its waterfall.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("id", nargs="?", default="", help="trace id or its beginning; none: the latest")
    parser.add_argument("--limit", type=int, default=20, help="how many traces to list")
    default = Path(os.environ.get("RUN_DIR") or ROOT / ".run") / "data" / "traces"
    parser.add_argument("--traces", type=Path, default=default, help="folder of the trace files")
    options = parser.parse_args()
    console = Console(highlight=False, soft_wrap=False)
    if not options.id:
        listed = traces.latest(options.traces, options.limit)
        if not listed:
            print("No trace yet. Start the stack with `make up` and send some requests.")
            return 1
        show_latest(console, listed)
        return 0
    wanted = options.id.lower()
    full = wanted if len(wanted) == ID_LENGTH else traces.complete(options.traces, wanted)
    spans = traces.find(options.traces, full) if full else []
    if not spans:
        print(f"No trace {options.id} is kept. `make trace` lists the latest ones.")
        return 1
    show_trace(console, spans)
    return 0


if __name__ == "__main__":
    sys.exit(main())
