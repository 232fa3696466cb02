"""What containers of Prometheus, Grafana and Tempo read, against how docker-compose.yml calls them."""

import json
from typing import Any

import yaml

from infra.local.paths import ROOT

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "infra/prometheus/prometheus.compose.yml").read_text())


def names_and_ports() -> dict[str, int]:
    """Services that Prometheus looks up by name, with the port it asks."""
    return {
        name: entry["port"]
        for job in PROMETHEUS["scrape_configs"]
        for entry in job.get("dns_sd_configs", [])
        for name in entry["names"]
    }


def test_prometheus_asks_for_services_that_it_can_reach() -> None:
    found = names_and_ports()
    assert {"shortener", "shortener-worker", "alertmanager"} <= found.keys()
    for name in found:
        assert set(SERVICES[name]["networks"]) & set(SERVICES["prometheus"]["networks"]) - {"edge"}, name


def test_prometheus_asks_on_the_port_that_our_images_open() -> None:
    recipe = (ROOT / "infra/docker/Dockerfile").read_text()
    for name, port in names_and_ports().items():
        if SERVICES[name]["image"].startswith("signalbox/"):
            assert f"HTTP_PORT={port}" in recipe
            assert SERVICES[name]["ports"][0].endswith(f":{port}")


def test_every_service_of_ours_that_runs_on_is_scraped() -> None:
    ours = {name for name, body in SERVICES.items() if "telemetry" in body.get("networks", [])}
    assert {
        name for name in ours if SERVICES[name]["image"].startswith("signalbox/")
    } <= names_and_ports().keys()


def test_grafana_asks_prometheus_and_tempo_where_they_listen() -> None:
    text = (ROOT / "infra/grafana/provisioning/datasources/datasources.yml").read_text()
    urls = {source["name"]: source["url"] for source in yaml.safe_load(text)["datasources"]}
    tempo = yaml.safe_load((ROOT / "infra/tempo/tempo.yaml").read_text())
    assert urls == {
        "Prometheus": f"http://prometheus:{SERVICES['prometheus']['ports'][0].rsplit(':', 1)[1]}",
        "Tempo": f"http://tempo:{tempo['server']['http_listen_port']}",
    }
    assert SERVICES["tempo"]["ports"][0].endswith(f":{tempo['server']['http_listen_port']}")


def test_grafana_finds_its_dashboards_where_they_are_mounted() -> None:
    provider = yaml.safe_load((ROOT / "infra/grafana/provisioning/dashboards/provider.yml").read_text())
    path = provider["providers"][0]["options"]["path"]
    assert path.startswith("/etc/grafana/provisioning")
    folder = ROOT / "infra/grafana/provisioning" / path.removeprefix("/etc/grafana/provisioning/")
    dashboards = [json.loads(file.read_text()) for file in folder.glob("*.json")]
    assert dashboards
    assert all(dashboard["uid"] and dashboard["panels"] for dashboard in dashboards)


def test_services_send_spans_to_the_port_that_tempo_opens() -> None:
    tempo = yaml.safe_load((ROOT / "infra/tempo/tempo.yaml").read_text())
    endpoint = tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    sent_to = SERVICES["shortener"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert sent_to == f"${{OTEL_EXPORTER_OTLP_ENDPOINT-http://tempo:{endpoint.rsplit(':', 1)[1]}}}"


def test_tempo_writes_only_to_its_volume() -> None:
    storage = yaml.safe_load((ROOT / "infra/tempo/tempo.yaml").read_text())["storage"]["trace"]
    mounted = SERVICES["tempo"]["volumes"][0].split(":")[1]
    assert storage["wal"]["path"].startswith(mounted)
    assert storage["local"]["path"].startswith(mounted)
