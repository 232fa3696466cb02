"""Prometheus as an ordinary process: its settings with this machine's addresses, and its command line."""

from pathlib import Path

import yaml

from infra.local import paths

BASE = paths.INFRA / "prometheus" / "prometheus.local.yml"
CONFIG = paths.RUN / "prometheus" / "prometheus.yml"


def configure(metrics_port: int) -> None:
    """What no discovery serves: where remote write goes. Relative paths hold from BASE's folder alone."""
    document = yaml.safe_load(BASE.read_text())
    [remote_write] = document["remote_write"]
    remote_write["url"] = f"http://127.0.0.1:{metrics_port}/api/v1/write"
    remote_write["authorization"]["credentials_file"] = str(paths.SECRETS / "metrics_api_key_stack")
    document["rule_files"] = [str(BASE.parent / rules) for rules in document["rule_files"]]
    discoveries = (*document["alerting"]["alertmanagers"], *document["scrape_configs"])
    for discovery in (found for each in discoveries for found in each["file_sd_configs"]):
        discovery["files"] = [str(BASE.parent / files) for files in discovery["files"]]
    CONFIG.parent.mkdir(parents=True, exist_ok=True)
    CONFIG.write_text(yaml.safe_dump(document, sort_keys=False))


def command(data: Path, port: int) -> list[str]:
    return [
        "prometheus",
        f"--config.file={CONFIG}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=3d",
        "--storage.tsdb.retention.size=1GB",
        "--enable-feature=exemplar-storage",
        # At its end it waits so long for a receiver that is gone, too.
        "--storage.remote.flush-deadline=5s",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
