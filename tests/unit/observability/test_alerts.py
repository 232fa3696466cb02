"""Alerts: each says what it means and what to do, and each has been seen to fire."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from chassis import metrics

from infra.local import catalog

ROOT = Path(__file__).resolve().parents[3]
PROMETHEUS = ROOT / "infra" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks.md"


def alerts() -> list[dict[str, Any]]:
    return [
        rule
        for path in sorted((PROMETHEUS / "rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


def fired_in_tests() -> set[str]:
    """Alerts that a unit test of promtool expects to fire."""
    fired: set[str] = set()
    for path in (PROMETHEUS / "rules_test").glob("*.yml"):
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for expectation in case.get("promql_expr_test", []):
                for sample in expectation["exp_samples"]:
                    fired |= set(re.findall(r'alertname="(\w+)"', sample["labels"]))
    return fired


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_what_it_means_and_how_urgent_it_is(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert {"summary", "description", "runbook_url"} <= set(alert["annotations"])
    assert alert["annotations"]["runbook_url"] == f"docs/runbooks.md#{alert['alert'].lower()}"


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(sections) == sorted(alert["alert"] for alert in alerts())


def test_a_runbook_says_what_where_and_what_to_do() -> None:
    sections = re.split(r"^## (\w+)$", RUNBOOKS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for name, body in zip(sections[1::2], sections[2::2], strict=True):
        for word in ("**Means**", "**Look**", "**Do**"):
            assert word in body, f"{name} lacks {word}"


def test_a_runbook_calls_an_alert_what_the_rule_calls_it() -> None:
    text = RUNBOOKS.read_text(encoding="utf-8")
    for alert in alerts():
        body = text.split(f"## {alert['alert']}\n", 1)[1].split("\n## ", 1)[0]
        assert f"**Means** ({alert['labels']['severity']})" in body, alert["alert"]


def test_every_alert_is_seen_to_fire_in_a_unit_test() -> None:
    assert {alert["alert"] for alert in alerts()} - fired_in_tests() == set()


def test_every_program_of_ours_is_missed_when_none_of_it_answers() -> None:
    rules = (PROMETHEUS / "rules" / "services.yml").read_text(encoding="utf-8")
    ours = {program.name for program in catalog.SERVICES}
    assert set(re.findall(r'absent\(up\{job="([\w-]+)"\}\)', rules)) == ours
    [listed] = re.findall(r'up\{job=~"([^"]+)"\}', rules)
    assert set(listed.split("|")) == ours


def test_the_limit_of_a_latency_promise_is_a_bucket_of_the_histogram() -> None:
    rules = (PROMETHEUS / "rules" / "slo.yml").read_text(encoding="utf-8")
    limits = set(re.findall(r'le="([^"]+)"', rules))
    assert limits, "the latency SLOs read buckets"
    assert limits <= {repr(bound) for bound in metrics.LATENCY_BUCKETS}
