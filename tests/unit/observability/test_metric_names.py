"""What a dashboard or an alert reads, the code must declare: a renamed metric is an empty panel otherwise."""

import pytest

from infra.dashboards import metric_names


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        ("up == 0", {"up"}),
        ('sum by (le, route) (rate(a_bucket{job="x", route=~"/v1/.+"}[5m]))', {"a_bucket"}),
        ("a_total > 0 unless a_total offset 15m", {"a_total"}),
        ('(sum(a)) or on () label_replace(vector(0), "x", "none", "", "")', {"a"}),
        (
            "slo:errors:rate5m / on (slo, service) group_left () (1 - slo:objective:ratio)",
            {"slo:errors:rate5m", "slo:objective:ratio"},
        ),
        ("min_over_time(max by (job) (b_pending)[1m:15s]) > bool 0", {"b_pending"}),
        ("time() - max by (job) (process_start_time_seconds)", {"process_start_time_seconds"}),
    ],
)
def test_names_are_read_out_of_an_expression(expr: str, names: set[str]) -> None:
    assert metric_names.names_in(expr) == names


def test_every_metric_of_a_dashboard_or_an_alert_is_declared_in_the_code() -> None:
    declared = metric_names.declared()
    unknown = {
        name: sorted(where)
        for name, where in metric_names.used().items()
        if not metric_names.FOREIGN.fullmatch(name) and metric_names.base(name, declared) not in declared
    }
    assert unknown == {}


def test_every_recorded_series_that_is_read_is_recorded() -> None:
    read = {name for name in metric_names.used() if ":" in name}
    assert read <= metric_names.recorded()


def test_every_counter_ends_in_total() -> None:
    wrong = [
        name
        for name, kind in metric_names.declared().items()
        if kind == "counter" and not name.endswith("_total")
    ]
    assert wrong == []
