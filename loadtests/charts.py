"""Line charts as inline SVG: axes, grid, legend, nothing to download."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 28, 40
SECOND_MS = 1000.0
COLOURS = ("#2563eb", "#d97706", "#dc2626", "#059669", "#7c3aed", "#0891b2")


@dataclass(frozen=True, slots=True)
class Line:
    """One curve; points are (x, y) in the chart's own units."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """A range with the ticks to draw on it: (value, label)."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]

    def place(self, value: float, start: float, length: float) -> float:
        span = (self.high - self.low) or 1.0
        return start + length * (min(max(value, self.low), self.high) - self.low) / span


def linear_axis(values: Sequence[float], unit: str = "", *, from_zero: bool = False) -> Axis:
    low = 0.0 if from_zero else min(values, default=0.0)
    high = max(values, default=1.0)
    high = high if high > low else low + 1.0
    step = _round_step((high - low) / 5)
    first = math.ceil(low / step)
    ticks = [(number * step, f"{number * step:g}{unit}") for number in range(first, int(high / step) + 1)]
    return Axis(low, high, ticks)


def log_axis(values: Sequence[float]) -> Axis:
    """Values are milliseconds; the axis is their decimal logarithm."""
    exponents = [math.log10(max(value, 1e-3)) for value in values] or [0.0]
    low, high = math.floor(min(exponents)), max(math.ceil(max(exponents)), math.floor(min(exponents)) + 1)
    return Axis(low, high, [(power, _milliseconds(10.0**power)) for power in range(low, high + 1)])


def nines_axis(values: Sequence[float]) -> Axis:
    """Percentiles on the scale -log10(1 - p): each nine takes the same width."""
    marks = [(0.30103, "50 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %")]
    high = max([*values, 2.0])
    return Axis(0.30103, high, [mark for mark in marks if mark[0] <= high])


def chart(title: str, lines: Sequence[Line], *, x: Axis, y: Axis, log_y: bool = False) -> str:
    """An <svg> element; with `log_y` the axis holds logarithms and the points plain values."""
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">']
    parts.append(f'<text class="title" x="{LEFT}" y="16">{escape(title)}</text>')
    for value, label in y.ticks:
        down = TOP + inner_height - y.place(value, 0, inner_height)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down:.1f}" y2="{down:.1f}"/>')
        parts.append(f'<text class="tick" text-anchor="end" x="{LEFT - 8}" y="{down + 4:.1f}">{label}</text>')
    for value, label in x.ticks:
        across = x.place(value, LEFT, inner_width)
        parts.append(
            f'<line class="grid" x1="{across:.1f}" x2="{across:.1f}" y1="{TOP}" y2="{TOP + inner_height}"/>'
        )
        parts.append(
            f'<text class="tick" text-anchor="middle" x="{across:.1f}" y="{HEIGHT - 18}">{label}</text>'
        )
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        placed = " ".join(
            f"{x.place(across, LEFT, inner_width):.1f},"
            f"{TOP + inner_height - y.place(_height(value, log=log_y), 0, inner_height):.1f}"
            for across, value in line.points
        )
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{placed}"/>')
        parts.append(_legend(line.name, colour, number))
    return "".join([*parts, "</svg>"])


def _legend(name: str, colour: str, number: int) -> str:
    across = LEFT + 330 + number * 130
    return (
        f'<rect x="{across}" y="8" width="12" height="4" fill="{colour}"/>'
        f'<text class="tick" x="{across + 18}" y="14">{escape(name)}</text>'
    )


def _height(value: float, *, log: bool) -> float:
    return math.log10(max(value, 1e-3)) if log else value


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next((power * factor for factor in (1, 2, 5, 10) if power * factor >= rough), power)


def _milliseconds(value: float) -> str:
    return f"{value / 1e3:g} s" if value >= SECOND_MS else f"{value:g} ms"
