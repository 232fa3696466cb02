"""The dashboards as code, and the JSON of them that Grafana and the live page both read."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.dashboards import check
from infra.dashboards.serve import ORDER
from infra.grafana import build

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "infra" / "dashboards" / "static"
COLUMNS = 24


def panels(uid: str) -> list[dict[str, Any]]:
    dashboard = json.loads(build.render(build.BUILDERS[uid]))
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("uid", build.BUILDERS)
def test_the_committed_json_is_what_the_code_builds(uid: str) -> None:
    committed = (build.OUTPUT / f"{uid}.json").read_text(encoding="utf-8")
    assert committed == build.render(build.BUILDERS[uid]), "run: python -m infra.grafana.build"


def test_no_json_is_without_its_code() -> None:
    assert {path.stem for path in build.OUTPUT.glob("*.json")} == set(build.BUILDERS)


def test_every_dashboard_has_its_place_on_the_live_page() -> None:
    assert set(ORDER) == set(build.BUILDERS)


@pytest.mark.parametrize("uid", build.BUILDERS)
def test_panels_neither_overlap_nor_leave_the_grid(uid: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(uid):
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= COLUMNS, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("uid", build.BUILDERS)
def test_every_panel_is_of_a_kind_that_the_live_page_draws(uid: str) -> None:
    source = (PAGE / "js" / "panels" / "index.js").read_text(encoding="utf-8")
    kinds = set(re.findall(r"^  (\w+)(?:,|:)", source, re.MULTILINE))
    assert {panel["type"] for panel in panels(uid)} <= kinds


@pytest.mark.parametrize("uid", build.BUILDERS)
def test_the_live_page_knows_every_unit(uid: str) -> None:
    source = (PAGE / "js" / "format.js").read_text(encoding="utf-8")
    units = {
        panel["fieldConfig"]["defaults"].get("unit", "short")
        for panel in panels(uid)
        if "fieldConfig" in panel
    }
    assert all(unit == "short" or f'"{unit}"' in source or f"{unit}:" in source for unit in units), units


def test_latency_panels_carry_exemplars() -> None:
    titles = {
        panel["title"]
        for uid in build.BUILDERS
        for panel in panels(uid)
        if any(target.get("exemplar") for target in panel["targets"])
    }
    assert {"Redirect latency", "Redirect latency, distribution", "Latency", "Charge latency"} <= titles


def test_all_kinds_of_panels_are_in_use() -> None:
    kinds = {panel["type"] for uid in build.BUILDERS for panel in panels(uid)}
    assert kinds == {"timeseries", "stat", "gauge", "bargauge", "table", "heatmap"}


def test_no_variable_is_left_in_a_checked_query() -> None:
    left = [query for query in [*check.read_queries(), *check.read_variables()] if "$" in query.expr]
    assert left == []


def test_the_chart_library_keeps_its_licence() -> None:
    folder = PAGE / "vendor" / "uplot"
    assert "MIT" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert json.loads((folder / "package.json").read_text(encoding="utf-8"))["license"] == "MIT"


def test_the_page_loads_nothing_from_elsewhere() -> None:
    own = [
        path
        for path in PAGE.rglob("*")
        if path.suffix in {".html", ".css", ".js"} and "vendor" not in path.parts
    ]
    outside = [
        (path.name, url)
        for path in own
        for url in re.findall(r"https?://[^\s\"'`)]+", path.read_text(encoding="utf-8"))
        if not url.startswith("http://www.w3.org/")
    ]
    assert outside == []
