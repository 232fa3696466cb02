"""Configuration of Grafana and Tempo against schemas made from their documentation."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

ROOT = Path(__file__).resolve().parents[3]
GRAFANA = ROOT / "infra" / "grafana"
TEMPO = ROOT / "infra" / "tempo"

PAIRS = {
    GRAFANA / "provisioning" / "datasources" / "datasources.yml": GRAFANA
    / "schema"
    / "datasources.schema.json",
    GRAFANA / "provisioning" / "dashboards" / "provider.yml": GRAFANA / "schema" / "providers.schema.json",
    TEMPO / "tempo.yaml": TEMPO / "schema" / "tempo.schema.json",
}


def validator(schema: Path) -> Draft202012Validator:
    loaded = json.loads(schema.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(loaded)
    return Draft202012Validator(loaded)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture
def sources() -> dict[str, Any]:
    found = read(GRAFANA / "provisioning" / "datasources" / "datasources.yml")
    return {source["uid"]: source for source in found["datasources"]}


@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.name)
def test_a_configuration_follows_the_documented_form(path: Path) -> None:
    validator(PAIRS[path]).validate(read(path))


@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.name)
def test_a_misspelt_key_is_refused(path: Path) -> None:
    broken = copy.deepcopy(read(path))
    broken["surely_no_option"] = True
    with pytest.raises(ValidationError):
        validator(PAIRS[path]).validate(broken)


def test_exemplars_lead_to_tempo_and_traces_lead_back(sources: dict[str, Any]) -> None:
    [destination] = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert sources[destination["datasourceUid"]]["type"] == "tempo"
    assert destination["name"] == "trace_id", "the label that chassis.metrics.exemplar() gives"
    assert sources["tempo"]["jsonData"]["tracesToMetrics"]["datasourceUid"] == "prometheus"


def test_the_rate_interval_rests_on_the_real_scrape_interval(sources: dict[str, Any]) -> None:
    for name in ("local", "compose"):
        prometheus = read(ROOT / "infra" / "prometheus" / f"prometheus.{name}.yml")
        assert prometheus["global"]["scrape_interval"] == sources["prometheus"]["jsonData"]["timeInterval"]


def test_the_provider_reads_the_folder_that_is_mounted() -> None:
    [provider] = read(GRAFANA / "provisioning" / "dashboards" / "provider.yml")["providers"]
    assert provider["options"]["path"] == "/etc/grafana/provisioning/dashboards"
    assert provider["allowUiUpdates"] is False
