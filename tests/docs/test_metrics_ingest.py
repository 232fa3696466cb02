"""The pages of metrics-ingest against its code: routes, reasons, limits, names."""

import inspect
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from metrics_ingest.domain import accounting, verdict
from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.domain.points import NAME, Point
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.receivers import front, taking
from metrics_ingest.receivers.parsing import influx, json_bounds, lines, otlp_names
from metrics_ingest.receivers.parsing.otlp_names import Kind
from metrics_ingest.settings import MetricsSettings

from tests.support.metrics import document

FOLDER = Path(__file__).parents[2] / "docs" / "metrics-ingest"
LIMIT = re.compile(r"^\| [^|`]+ \| ([\d,]+) \| `(\w+)` \|$", re.MULTILINE)
SERIES = re.compile(r"(\w+)\{([^}]*)\} ([\d.]+)")


def page(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text()


def section(text: str, heading: str) -> str:
    _, _, rest = text.partition(f"## {heading}\n")
    return rest.partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """Cells of all table rows that begin with code, without their backquotes."""
    found = re.findall(r"^\| (`.+) \|$", text, re.MULTILINE)
    return [[cell.strip().strip("`") for cell in re.split(r" \|(?= )", row)] for row in found]


def reasons_of(module: Any) -> set[str]:
    return {value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}


def test_every_reason_has_its_row() -> None:
    refused, dead = page("refusals").split("Accepted and yet not stored")
    dead = dead.split("## ")[0]

    assert {row[0] for row in rows(refused)} == reasons_of(verdict) - {verdict.NAN}
    assert {row[0] for row in rows(dead)} == {
        verdict.NAN,
        accounting.STORE_REFUSED,
        accounting.UNDECODABLE,
    }


def test_every_reason_is_one_that_the_code_gives() -> None:
    source = "".join(
        file.read_text()
        for file in Path(inspect.getfile(front)).parents[1].rglob("*.py")
        if file.name != "verdict.py"
    )

    unused = [name for name in vars(verdict) if name.isupper() and not re.search(rf"\b{name}\b", source)]
    assert unused == []


def test_every_limit_is_the_one_in_the_code() -> None:
    text = page("refusals")
    of_tenants = LIMIT.findall(section(text, "Limits of a tenant"))
    of_processes = LIMIT.findall(section(text, "Limits of a process"))
    tenant = Tenant(id="one", name="One")

    assert [name for _, name in of_tenants] == [
        name for name in Tenant.__slots__ if name not in {"id", "name"}
    ]
    for number, name in of_tenants:
        assert getattr(tenant, name) == int(number.replace(",", "")), name
    assert len(of_processes) >= 10
    for number, name in of_processes:
        assert MetricsSettings.model_fields[name].default == int(number.replace(",", "")), name


def test_every_limit_of_a_request_is_the_one_in_the_code() -> None:
    found = LIMIT.findall(section(page("refusals"), "Limits of a request"))
    in_code = {
        "request_series_max": Bounds().request_series_max,
        "POINTS_MAX": taking.POINTS_MAX,
        "LINES_MAX": lines.LINES_MAX,
        "VALUES_MAX": json_bounds.VALUES_MAX,
    }

    assert {name: int(number.replace(",", "")) for number, name in found} == in_code
    assert f"{lines.LINE_BYTES_MAX:,} bytes" in page("refusals")
    assert taking.POINT_BYTES_MAX == 2**19, "half a MiB"


def test_times_and_counts_in_the_text_are_those_of_the_code() -> None:
    fields, bounds = MetricsSettings.model_fields, WriterBounds()

    def default(name: str) -> Any:
        return fields[name].default

    assert default("points_burst_s") == 2, "a burst of two seconds"
    assert default("future_limit_s") == 600, "ten minutes ahead"
    assert default("series_idle_s") == 3600, "seen within the hour"
    assert default("body_read_timeout_s") == 20, "did not come within 20 s"
    assert default("query_position_wait_s") == 3, "up to three seconds"
    assert default("query_timeout_s") < 5, "503 within five seconds"
    assert default("rollup_grace_s") == 30, "half a minute after its end"
    assert default("rollup_recheck_s") == 900, "every quarter of an hour"
    assert default("batches_partitions") == 6, "one a partition (six)"
    assert (bounds.canary_every_s, bounds.canary_fresh_s) == (5, 5), "every five seconds, within five"


def test_every_route_has_its_row() -> None:
    taken = {row[0] for row in rows(page("protocols").split("A 400 may")[0])}
    asked = {row[0] for row in rows(page("queries").split("GET, and POST")[0])}

    assert taken == {f"POST {path}" for path in front.ROUTES}
    assert {path.removeprefix("POST ") for path in taken} | asked == set(document()["paths"])


def test_success_has_the_status_that_the_page_says() -> None:
    paths = document()["paths"]
    for route, _, good, some, none in rows(page("protocols").split("A 400 may")[0]):
        responses = set(paths[route.removeprefix("POST ")]["post"]["responses"])
        assert {good, some, none} <= responses, route


def test_otlp_names_become_what_the_page_says() -> None:
    table = rows(section(page("names"), "OTLP"))

    assert len(table) >= 8
    for name, unit, kind, becomes in table:
        assert otlp_names.metric_name(name, unit, Kind(kind)) == becomes, name


def test_influx_lines_become_what_the_page_says() -> None:
    table = rows(section(page("names"), "Influx, Datadog, StatsD"))

    assert len(table) >= 3
    for line, becomes in table:
        assert sorted(series_of(line)) == sorted(told(becomes)), line


def series_of(line: str) -> Iterable[tuple[str, Mapping[str, str], float]]:
    for point in influx.read(line.encode(), 1):
        assert isinstance(point, Point)
        [sample] = point.series
        labels = dict(sample.labels)
        yield labels.pop(NAME), labels, sample.value


def told(text: str) -> Iterable[tuple[str, Mapping[str, str], float]]:
    for name, labels, value in SERIES.findall(text):
        yield name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)


@pytest.mark.parametrize("name", ["ledger", "operations", "protocols", "refusals"])
def test_every_metric_that_a_page_names_is_made_in_the_code(name: str) -> None:
    code = "".join(file.read_text() for file in Path(inspect.getfile(front)).parents[1].rglob("*.py"))
    named = set(re.findall(r"`(metrics_[a-z_]+)(?:\{[a-z_]+\})?`", page(name))) - {"metrics_ingest"}

    assert {metric for metric in named if f'"{metric}"' not in code} == set()
