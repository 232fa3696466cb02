"""What Prometheus and Alertmanager themselves say of their configuration and of our alerts."""

import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.eventually import eventually_sync
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
PROMETHEUS = ROOT / "infra" / "prometheus"
ALERTMANAGER = ROOT / "infra" / "alertmanager" / "alertmanager.yml"
TIMEOUT_S = 60


def run(*command: str | Path) -> str:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("runtime", ["local", "compose"])
def test_prometheus_accepts_its_configuration(runtime: str) -> None:
    assert "valid prometheus config" in run(
        "promtool", "check", "config", PROMETHEUS / f"prometheus.{runtime}.yml"
    )


def test_no_rule_stands_twice() -> None:
    out = run(
        "promtool",
        "check",
        "rules",
        "--lint=all",
        "--lint-fatal",
        *sorted((PROMETHEUS / "rules").glob("*.yml")),
    )
    assert "duplicate" not in out


@pytest.mark.parametrize(
    "path", sorted((PROMETHEUS / "rules_test").glob("*.yml")), ids=lambda path: path.stem
)
def test_alerts_fire_when_they_should_and_are_silent_otherwise(path: Path) -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", path)


def test_alertmanager_accepts_its_configuration() -> None:
    assert "SUCCESS" in run("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize(
    ("severity", "receiver"), [("page", "pages"), ("ticket", "tickets"), ("", "tickets")]
)
def test_an_alert_goes_where_its_severity_says(severity: str, receiver: str) -> None:
    out = run("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"severity={severity}")
    assert out.splitlines()[-1] == receiver or receiver in out.splitlines()


def alert(alertname: str, **labels: str) -> dict[str, dict[str, str]]:
    return {"labels": {"alertname": alertname, **labels}}


def test_what_follows_from_another_alert_is_silenced(tmp_path: Path) -> None:
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("Alertmanager is not installed")
    port = free_port()
    command = [
        program,
        f"--config.file={ALERTMANAGER}",
        f"--storage.path={tmp_path}",
        "--cluster.listen-address=",
    ]
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v2", trust_env=False, timeout=5) as client:
            eventually_sync(lambda: _answers(client), timeout_s=20)
            told = [
                alert("ServiceAbsent", severity="page", job="shortener", service="shortener"),
                alert("TargetDown", severity="ticket", job="shortener", instance="shortener-2"),
                alert("TargetDown", severity="ticket", job="shortener-worker", instance="shortener-worker"),
                alert("SloBurnsFast", severity="page", service="shortener", slo="redirect-availability"),
                alert("SloBurnsFast", severity="page", service="payments", slo="payments-availability"),
                alert("BankBreakerOpen", severity="page", job="payments", name="bank", service="payments"),
                alert("BreakerOpen", severity="ticket", job="payments", name="bank"),
                alert("MetricsWriterLagging", severity="ticket", job="metrics-writer"),
                alert("ConsumerLagging", severity="ticket", job="metrics-writer", group="metrics-writer"),
                alert("ConsumerLagging", severity="ticket", job="orders-worker", group="orders"),
            ]
            client.post(
                "/alerts", content=json.dumps(told), headers={"content-type": "application/json"}
            ).raise_for_status()
            loud = eventually_sync(lambda: _loud(client), timeout_s=20, accept=lambda found: len(found) == 6)
    finally:
        process.terminate()
        process.wait(20)
        log.close()
    assert loud == {
        ("ServiceAbsent", "shortener"),
        ("TargetDown", "shortener-worker"),
        ("SloBurnsFast", "payments"),
        ("BankBreakerOpen", "payments"),
        ("MetricsWriterLagging", "metrics-writer"),
        ("ConsumerLagging", "orders-worker"),
    }


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/status").is_success
    except httpx.TransportError:
        return False


def _loud(client: httpx.Client) -> set[tuple[str, str]]:
    """(alert, whose) of those that nothing inhibits."""
    found = client.get("/alerts", params={"inhibited": "false"}).json()
    return {
        (one["labels"]["alertname"], one["labels"].get("job") or one["labels"]["service"]) for one in found
    }
