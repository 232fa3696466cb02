"""The store of metrics and the Prometheus that writes to it, as each runtime starts them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.local import paths, prometheus, victoriametrics

COMPOSE: dict[str, Any] = yaml.safe_load((paths.ROOT / "docker-compose.yml").read_text())["services"]
TENANTS = paths.ROOT / "services/metrics-ingest/metrics_ingest/migrations/0001_tenants.sql"


def test_both_runtimes_give_the_store_the_same_flags() -> None:
    own = ("-storageDataPath=", "-httpListenAddr=")
    given = [flag for flag in COMPOSE["victoriametrics"]["command"] if not flag.startswith(own)]
    assert given == list(victoriametrics.FLAGS)


@pytest.mark.parametrize(
    ("column", "flag"), [("labels_max", "maxLabelsPerTimeseries"), ("value_bytes_max", "maxLabelValueLen")]
)
def test_no_tenant_can_be_allowed_what_the_store_would_cut(column: str, flag: str) -> None:
    [allowed] = re.findall(rf"{column} .*BETWEEN 1 AND (\d+)", TENANTS.read_text())
    flags = dict(word.removeprefix("-").split("=") for word in victoriametrics.FLAGS)
    assert int(allowed) + 2 <= int(flags[flag]), "its name and the label of its tenant come on top"


def test_a_copy_of_prometheus_settings_knows_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "CONFIG", tmp_path / "run" / "prometheus.yml")
    prometheus.configure(9180)
    document = yaml.safe_load(prometheus.CONFIG.read_text())
    [remote_write] = document["remote_write"]
    assert remote_write["url"] == "http://127.0.0.1:9180/api/v1/write"
    files = [
        remote_write["authorization"]["credentials_file"],
        *document["rule_files"],
        *(
            file
            for each in document["scrape_configs"]
            for sd in each["file_sd_configs"]
            for file in sd["files"]
        ),
    ]
    assert all(Path(file).is_absolute() for file in files)
    assert list(paths.ROOT.glob(str(Path(document["rule_files"][0]).resolve().relative_to(paths.ROOT))))


def test_prometheus_writes_with_the_stack_s_own_key_and_at_the_defaults_of_remote_write() -> None:
    for runtime in ("local", "compose"):
        text = (paths.INFRA / "prometheus" / f"prometheus.{runtime}.yml").read_text()
        [remote_write] = yaml.safe_load(text)["remote_write"]
        assert remote_write.keys() == {"name", "url", "authorization"}
        assert remote_write["authorization"]["credentials_file"].endswith("/metrics_api_key_stack")
    assert "metrics_api_key_stack" in COMPOSE["prometheus"]["secrets"]
