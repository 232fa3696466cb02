"""The panel kinds that every dashboard is made of, with one look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    gauge,
    heatmap,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heatmap_model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="prometheus")

# From the lowest value up: (where the colour begins, colour).
Steps: TypeAlias = Sequence[tuple[float | None, str]]
PLAIN: Steps = [(None, "blue")]


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression; `legend` is Grafana's format, a table takes it as the column's title."""

    expr: str
    legend: str = ""
    exemplars: bool = False


def or_zero(expr: str, label: str | None = None) -> str:
    """0 instead of nothing: a counter of faults has no series before the first one."""
    zero = "vector(0)" if label is None else f'label_replace(vector(0), "{label}", "none", "", "")'
    return f"({expr}) or on () {zero}"


def rate(counter: str, selector: str, by: str = "") -> str:
    """How much a counter grows a second, over all series or one line for each value of `by`."""
    grouping = f" by ({by}) " if by else ""
    return f"sum{grouping}(rate({counter}{{{selector}}}[$__rate_interval]))"


def by_label(counter: str, selector: str, label: str) -> Query:
    """The growth of a counter for each value of a label; 0 before the first event."""
    return Query(or_zero(rate(counter, selector, label), label), f"{{{{{label}}}}}")


def quantile(q: float, histogram: str, selector: str, by: str = "") -> str:
    grouping = f"le, {by}" if by else "le"
    buckets = f"rate({histogram}_bucket{{{selector}}}[$__rate_interval])"
    return f"histogram_quantile({q}, sum by ({grouping}) ({buckets}))"


def percentiles(histogram: str, selector: str) -> list[Query]:
    # Exemplars ride on the slowest line: they are the requests worth opening.
    return [
        Query(quantile(0.5, histogram, selector), "p50"),
        Query(quantile(0.95, histogram, selector), "p95"),
        Query(quantile(0.99, histogram, selector), "p99", exemplars=True),
    ]


def _targets(
    queries: Sequence[Query], *, instant: bool = False, form: PromQueryFormat | None = None
) -> list[Any]:
    targets: list[Any] = []
    for index, query in enumerate(queries):
        target = (
            prometheus.Dataquery()
            .datasource(DATASOURCE)
            .expr(query.expr)
            .legend_format(query.legend)
            .ref_id(chr(ord("A") + index))
            .format(form or PromQueryFormat.TIME_SERIES)
        )
        target = target.instant() if instant else target.range().exemplar(query.exemplars)
        targets.append(target)
    return targets


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return dashboard.ThresholdsConfig().steps([model.Threshold(value=at, color=color) for at, color in steps])


def _mappings(texts: Mapping[str, tuple[str, str]] | None) -> list[model.ValueMapping]:
    if not texts:
        return []
    results = {
        value: model.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, (text, color)) in enumerate(texts.items())
    }
    return [model.ValueMap(options=results)]


def _paint(panel: Any, colors: Mapping[str, str] | None) -> Any:
    for name, color in (colors or {}).items():
        fixed = model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})
        panel.override_by_name(name, [fixed])
    return panel


def lines(
    title: str,
    queries: Sequence[Query],
    *,
    unit: str = "short",
    about: str = "",
    span: int = 12,
    height: int = 8,
    stacked: bool = False,
    colors: Mapping[str, str] | None = None,
    limits: Steps | None = None,
    ceiling: float | None = None,
) -> timeseries.Panel:
    """Time series; `limits` draws threshold lines, `ceiling` fixes the top of the axis."""
    legend = (
        common.VizLegendOptions()
        .display_mode(common_model.LegendDisplayMode.LIST)
        .placement(common_model.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
    )
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .targets(_targets(queries))
        .unit(unit)
        .min(0)
        .span(span)
        .height(height)
        .interval("5s")
        .line_width(1.5)
        .fill_opacity(55 if stacked else 0)
        .show_points(common_model.VisibilityMode.NEVER)
        .span_nulls(False)
        .legend(legend)
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_model.TooltipDisplayMode.MULTI)
            .sort(common_model.SortOrder.DESCENDING)
        )
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL).group("A"))
    if limits is not None:
        panel.thresholds(_thresholds(limits)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_model.GraphThresholdsStyleMode.DASHED)
        )
    if ceiling is not None:
        panel.max(ceiling)
    return _paint(panel, colors)  # type: ignore[no-any-return]


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")


def number(
    title: str,
    query: Query,
    *,
    unit: str = "short",
    about: str = "",
    span: int = 4,
    decimals: int | None = None,
    steps: Steps = PLAIN,
    texts: Mapping[str, tuple[str, str]] | None = None,
    sparkline: bool = True,
) -> stat.Panel:
    """Stat; `texts` maps a value to (words, colour)."""
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .targets(_targets([query]))
        .unit(unit)
        .span(span)
        .height(4)
        .interval("5s")
        .reduce_options(_last())
        .thresholds(_thresholds(steps))
        .mappings(_mappings(texts))
        .color_mode(common_model.BigValueColorMode.VALUE)
        .graph_mode(common_model.BigValueGraphMode.AREA if sparkline else common_model.BigValueGraphMode.NONE)
        .text_mode(common_model.BigValueTextMode.VALUE)
    )
    return panel if decimals is None else panel.decimals(decimals)


def dial(
    title: str,
    queries: Sequence[Query],
    *,
    steps: Steps,
    unit: str = "percentunit",
    about: str = "",
    span: int = 6,
    height: int = 8,
    low: float = 0,
    top: float = 1,
    decimals: int = 1,
) -> gauge.Panel:
    return (
        gauge.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .targets(_targets(queries, instant=True))
        .unit(unit)
        .min(low)
        .max(top)
        .decimals(decimals)
        .span(span)
        .height(height)
        .reduce_options(_last())
        .thresholds(_thresholds(steps))
        .show_threshold_markers(True)
        .show_threshold_labels(False)
    )


def bars(
    title: str,
    queries: Sequence[Query],
    *,
    unit: str = "short",
    about: str = "",
    span: int = 6,
    height: int = 8,
    top: float | None = None,
    decimals: int | None = None,
    steps: Steps = PLAIN,
    colors: Mapping[str, str] | None = None,
) -> bargauge.Panel:
    panel = (
        bargauge.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .targets(_targets(queries, instant=True))
        .unit(unit)
        .min(0)
        .span(span)
        .height(height)
        .reduce_options(_last())
        .thresholds(_thresholds(steps))
        .orientation(common_model.VizOrientation.HORIZONTAL)
        .display_mode(common_model.BarGaugeDisplayMode.BASIC)
        .show_unfilled(True)
    )
    if top is not None:
        panel.max(top)
    if decimals is not None:
        panel.decimals(decimals)
    return _paint(panel, colors)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers in a table; `query.legend` is its title."""

    query: Query
    unit: str = "short"
    decimals: int | None = None
    steps: Steps | None = None
    texts: Mapping[str, tuple[str, str]] | None = None


def rows(
    title: str,
    columns: Sequence[Column],
    *,
    labels: Mapping[str, str],
    about: str = "",
    span: int = 24,
    height: int = 8,
) -> table.Panel:
    """Table: a row for each combination of `labels` (label -> title), a column for each query."""
    values = {f"Value #{chr(ord('A') + i)}": column for i, column in enumerate(columns)}
    if len(columns) == 1:
        values = {"Value": columns[0]}
    titles = {**labels, **{name: column.query.legend for name, column in values.items()}}
    order = {name: index for index, name in enumerate([*labels, *values])}
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .targets(_targets([c.query for c in columns], instant=True, form=PromQueryFormat.TABLE))
        .span(span)
        .height(height)
        .transformations(
            [
                model.DataTransformerConfig(id_val="merge", options={}),
                model.DataTransformerConfig(
                    id_val="organize",
                    options={"excludeByName": {"Time": True}, "indexByName": order, "renameByName": titles},
                ),
            ]
        )
        .show_header(True)
    )
    for column in columns:
        panel.override_by_name(column.query.legend, _column_style(column))
    return panel


def _column_style(column: Column) -> list[model.DynamicConfigValue]:
    style = [model.DynamicConfigValue(id_val="unit", value=column.unit)]
    if column.decimals is not None:
        style.append(model.DynamicConfigValue(id_val="decimals", value=column.decimals))
    if column.texts:
        style.append(model.DynamicConfigValue(id_val="mappings", value=_mappings(column.texts)))
    if column.steps or column.texts:
        steps = [{"value": at, "color": color} for at, color in column.steps or [(None, "text")]]
        thresholds = {"mode": "absolute", "steps": steps}
        style.append(model.DynamicConfigValue(id_val="thresholds", value=thresholds))
        style.append(model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}))
    return style


def heat(
    title: str,
    histogram: str,
    selector: str,
    *,
    unit: str = "s",
    about: str = "",
    span: int = 12,
    height: int = 8,
) -> heatmap.Panel:
    """How many observations fell into each bucket, over time."""
    buckets = f"increase({histogram}_bucket{{{selector}}}[$__rate_interval])"
    query = Query(f"sum by (le) ({buckets})", "{{le}}", exemplars=True)
    return (
        heatmap.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .targets(_targets([query], form=PromQueryFormat.HEATMAP))
        .span(span)
        .height(height)
        .interval("5s")
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_model.HeatmapColorMode.SCHEME)
            .scheme("Turbo")
            .scale(heatmap_model.HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .steps(64)
            .reverse(False)
            .fill("dark-orange")
        )
        .y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(common_model.AxisPlacement.LEFT))
        .cell_gap(1)
    )


def row(title: str) -> dashboard.Row:
    return dashboard.Row(title)


def choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """A template variable: any number of the values that a query finds, at first all."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(DATASOURCE)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def board(
    uid: str, title: str, about: str, *, variables: Sequence[dashboard.QueryVariable]
) -> dashboard.Dashboard:
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags(["signalbox"])
        .timezone("browser")
        .time("now-30m", "now")
        .refresh("10s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(
            dashboard.DashboardLink("All dashboards")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["signalbox"])
            .as_dropdown(True)
            .keep_time(True)
        )
    )
    for variable in variables:
        made.with_variable(variable)
    return made
