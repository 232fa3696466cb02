"""The common frame of the benchmarks: alternated rounds, medians, rows with goals, a table, JSON."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from loadtests.summary import machine

OUT = Path("out/benchmarks")


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: `ratio` is how much better ours is than the other or the limit, `goal` its least."""

    name: str
    ours: float
    other: float | None
    ratio: float | None
    goal: float | None
    unit: str

    @property
    def passed(self) -> bool:
        return self.goal is None or (self.ratio is not None and self.ratio >= self.goal)


def more_is_better(name: str, ours: float, other: float, *, unit: str, goal: float | None = None) -> Row:
    return Row(name, ours, other, ours / other if other else None, goal, unit)


def less_is_better(name: str, ours: float, other: float, *, unit: str, goal: float | None = None) -> Row:
    """`other` is what a different way takes, or the limit itself (then the goal is 1)."""
    return Row(name, ours, other, other / ours if ours else None, goal, unit)


def at_most(name: str, ours: float, limit: float, *, unit: str) -> Row:
    return less_is_better(name, ours, limit, unit=unit, goal=1.0)


def figure(name: str, value: float, *, unit: str) -> Row:
    """A number worth knowing, compared with nothing."""
    return Row(name, value, None, None, None, unit)


def alternate(ways: Mapping[str, Callable[[], float]], *, rounds: int) -> dict[str, float]:
    """Medians of A B A B ...: what else the machine does falls on every way alike."""
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, measure in ways.items():
            seen[name].append(measure())
    return {name: median(values) for name, values in seen.items()}


def publish(benchmark: str, rows: Sequence[Row], *, folder: Path = OUT) -> bool:
    """Prints the table and writes `<folder>/<benchmark>.json`; true when no ratio falls short of its goal."""
    print(table(rows))
    document: dict[str, Any] = {
        "benchmark": benchmark,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "rows": [asdict(row) | {"passed": row.passed} for row in rows],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{benchmark}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"written to {path}")
    return all(row.passed for row in rows)


def table(rows: Sequence[Row]) -> str:
    heads = ("", "ours", "other", "ratio", "goal", "unit", "")
    cells = [
        (
            row.name,
            _number(row.ours),
            _number(row.other),
            _number(row.ratio, digits=2),
            _number(row.goal, digits=2),
            row.unit,
            "" if row.goal is None else ("reached" if row.passed else "FALLS SHORT"),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [heads, *cells]) for column in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, 5, 6) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [heads, *cells]
    )


def _number(value: float | None, *, digits: int | None = None) -> str:
    if value is None:
        return "-"
    if digits is not None:
        return f"{value:.{digits}f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
