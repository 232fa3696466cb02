"""Names of metrics: those that dashboards and alerts use, and those that the code declares."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "infra" / "grafana" / "provisioning" / "dashboards"
DATASOURCES = ROOT / "infra" / "grafana" / "provisioning" / "datasources" / "datasources.yml"
RULES = ROOT / "infra" / "prometheus" / "rules"
CODE = (ROOT / "libs", ROOT / "services")

# Declared by Prometheus itself, by its client library, or by a recording rule (level:metric:operation).
FOREIGN = re.compile(r"up|ALERTS|process_\w+|python_\w+|prometheus_\w+|\w+:\w+:\w+")
# A tally of the chassis is a counter that takes no lock.
MAKERS = {"counter": "counter", "Tally": "counter", "gauge": "gauge", "histogram": "histogram"}
SUFFIXES = ("_bucket", "_count", "_sum")

_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_BRACES = re.compile(r"\{[^{}]*\}")
_RANGE = re.compile(r"\[[^\]]*\]")
_NAME = re.compile(r"(?<![\w$.])[a-zA-Z_][a-zA-Z0-9_:]*(?!\s*\()(?![\w:])")
_WORDS = {"and", "or", "unless", "on", "ignoring", "by", "without", "bool", "offset", "inf", "nan"}


def names_in(expr: str) -> set[str]:
    """The metrics that a PromQL expression reads."""
    bare = _STRING.sub('""', expr)
    for part in (_BRACES, _RANGE, _GROUPING):
        bare = part.sub(" ", bare)
    # An offset's duration is a number that begins with a digit: not a name.
    return {name for name in _NAME.findall(bare) if name.lower() not in _WORDS}


def _dashboard_expressions() -> Iterator[tuple[str, str]]:
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield f"{dashboard['title']} / {panel['title']}", target["expr"]
        for variable in dashboard.get("templating", {}).get("list", []):
            selector = variable["query"].removeprefix("label_values(").rpartition(",")[0]
            yield f"{dashboard['title']} / ${variable['name']}", selector


def _rule_expressions() -> Iterator[tuple[str, str]]:
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                yield rule.get("alert") or rule["record"], rule["expr"]


def _trace_expressions() -> Iterator[tuple[str, str]]:
    for source in yaml.safe_load(DATASOURCES.read_text(encoding="utf-8"))["datasources"]:
        for query in source["jsonData"].get("tracesToMetrics", {}).get("queries", []):
            yield f"Tempo / {query['name']}", query["query"]


def used() -> dict[str, set[str]]:
    """Metric -> who reads it (dashboard and panel, alert, recording rule)."""
    found: dict[str, set[str]] = {}
    for where, expr in (*_dashboard_expressions(), *_rule_expressions(), *_trace_expressions()):
        for name in names_in(expr):
            found.setdefault(name, set()).add(where)
    return found


def recorded() -> set[str]:
    """What the recording rules make."""
    return {name for name, _ in _rule_expressions() if ":" in name}


def declared() -> dict[str, str]:
    """Metric -> kind, from every `counter("name", ...)`, `gauge(...)`, `histogram(...)` in the code."""
    found: dict[str, str] = {}
    for folder in CODE:
        for path in sorted(folder.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(
                        func=ast.Attribute(attr=maker) | ast.Name(id=maker),
                        args=[ast.Constant(str(name)), *_],
                    ):
                        if maker in MAKERS:
                            found[name] = MAKERS[maker]
    return found


def base(name: str, kinds: dict[str, str]) -> str:
    """The declared name of a series: a histogram's `_bucket`, `_count` and `_sum` are its own."""
    for suffix in SUFFIXES:
        stem = name.removesuffix(suffix)
        if stem != name and kinds.get(stem) == "histogram":
            return stem
    return name
