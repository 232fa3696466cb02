"""The dashboards page, from a scrape to a picture, against a real Prometheus."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from infra.dashboards import chromium, screenshots, serve
from tests.integration.observability.synthetic import Fleet
from tests.support.eventually import eventually_sync
from tests.support.ports import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ROOT / "infra" / "dashboards"
STARTED_WITHIN_S = 30
# Recording rules look back at least one evaluation; rates need two scrapes.
FILLED_WITHIN_S = 90
SETTLED_WITHIN_S = 45
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Stack:
    prometheus: str
    page: str
    traces: Path


@contextmanager
def running(*command: str | Path) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def quick_configuration(folder: Path) -> Path:
    """The local runtime's own configuration, asked every two seconds and not every five."""
    source = ROOT / "infra" / "prometheus"
    configuration = yaml.safe_load((source / "prometheus.local.yml").read_text(encoding="utf-8"))
    configuration["global"] |= {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"}
    configuration["scrape_configs"][0]["file_sd_configs"] = [{"files": [str(folder / "targets.json")]}]
    del configuration["alerting"], configuration["remote_write"]
    rules = folder / "rules"
    rules.mkdir()
    for path in (source / "rules").glob("*.yml"):
        groups = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in groups["groups"]:
            group["interval"] = "2s"
        (rules / path.name).write_text(yaml.safe_dump(groups, sort_keys=False), encoding="utf-8")
    target = folder / "prometheus.yml"
    target.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    return target


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is not installed")
    folder = tmp_path_factory.mktemp("observability")
    traces = folder / "traces"
    ports = {"prometheus": free_port(), "page": free_port()}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    with ExitStack() as running_now:
        fleet = running_now.enter_context(Fleet(traces))
        (folder / "targets.json").write_text(json.dumps(fleet.targets()), encoding="utf-8")
        running_now.enter_context(
            running(
                "prometheus",
                f"--config.file={quick_configuration(folder)}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
                "--enable-feature=exemplar-storage",
            )
        )
        page = (sys.executable, SCRIPTS / "serve.py", "--port", str(ports["page"]))
        running_now.enter_context(running(*page, "--prometheus", urls["prometheus"], "--traces", traces))
        for url in (f"{urls['prometheus']}/-/ready", urls["page"]):
            eventually_sync(partial(answers, url), timeout_s=STARTED_WITHIN_S)
        yield Stack(urls["prometheus"], urls["page"], traces)


def check(stack: Stack, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPTS / "check.py"), "--prometheus", stack.prometheus, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def filled(stack: Stack) -> Stack:
    """The same stack once every panel has something to show."""
    eventually_sync(
        lambda: check(stack, "--exemplars"),
        timeout_s=FILLED_WITHIN_S,
        interval_s=1,
        accept=lambda done: done.returncode == 0,
    )
    return stack


def test_every_query_of_every_panel_has_an_answer(filled: Stack) -> None:
    done = check(filled, "--exemplars")
    assert done.returncode == 0, done.stderr
    assert "0 without an answer, exemplars: yes" in done.stdout


def test_the_check_fails_where_nothing_is_scraped(filled: Stack, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "empty.yml").write_text("{}", encoding="utf-8")
    options = (f"--config.file={tmp_path / 'empty.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}")
    with running("prometheus", *options, f"--web.listen-address=127.0.0.1:{port}"):
        eventually_sync(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), timeout_s=STARTED_WITHIN_S)
        done = check(Stack(f"http://127.0.0.1:{port}", "", filled.traces))
    assert done.returncode == 1
    assert "empty: Shortener: overview / Redirects" in done.stderr


def test_the_check_says_when_prometheus_is_away(filled: Stack) -> None:
    done = check(Stack(f"http://127.0.0.1:{free_port()}", "", filled.traces))
    assert done.returncode == 2
    assert "does not answer" in done.stderr


def test_no_rule_fails_and_no_alert_fires_while_all_is_well(filled: Stack) -> None:
    groups = httpx.get(f"{filled.prometheus}/api/v1/rules", trust_env=False).json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
    assert [rule["name"] for rule in rules if rule.get("state") == "firing"] == []


def test_an_exemplar_leads_to_its_trace(filled: Stack) -> None:
    query = "histogram_quantile(0.99, sum by (le) (rate(http_server_request_duration_seconds_bucket[20s])))"
    with httpx.Client(base_url=filled.page, trust_env=False) as client:
        found = client.get(
            "/api/v1/query_exemplars", params={"query": query, "start": "0", "end": "9999999999"}
        ).json()
        trace_id = found["data"][0]["exemplars"][0]["labels"]["trace_id"]
        spans = client.get(f"/api/traces/{trace_id}").json()["spans"]
    assert [span["depth"] for span in spans] == [0, 1, 1]
    done = subprocess.run(
        [sys.executable, SCRIPTS / "trace.py", trace_id[:12], "--traces", filled.traces],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert trace_id in done.stdout


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Browser]:
    executable = chromium.find()
    if executable is None:
        pytest.skip("Chromium is not installed")
    with chromium.launch(executable) as launched:
        yield launched


@pytest.mark.parametrize("width", [1440, 800])
@pytest.mark.parametrize("uid", serve.ORDER)
def test_a_dashboard_draws_every_panel_without_a_complaint(
    uid: str, width: int, filled: Stack, browser: chromium.Browser, tmp_path: Path
) -> None:
    shot = screenshots.Shot(f"/d/{uid}", uid, (width, 900))
    # A scrape that this busy machine missed makes a panel empty for a moment.
    eventually_sync(
        lambda: screenshots.take(browser, filled.page, shot, "now-5m", tmp_path),
        timeout_s=SETTLED_WITHIN_S,
        interval_s=1,
        accept=lambda complaints: complaints == [],
    )
    assert (tmp_path / f"{uid}.png").read_bytes().startswith(PNG)


def texts(browser: chromium.Browser, selector: str) -> Any:
    return browser.evaluate(f"[...document.querySelectorAll({selector!r})].map((e) => e.textContent.trim())")


def test_one_replica_can_be_chosen(filled: Stack, browser: chromium.Browser) -> None:
    url = f"{filled.page}/d/shortener-overview?from=now-5m&to=now&refresh=&var-instance=shortener-2"
    legend = (
        "[...document.querySelectorAll('.panel')].find((p) => p.textContent.includes('Requests in progress'))"
        ".querySelector('.legend').textContent"
    )

    def lines() -> str:
        browser.open(url, ready="document.documentElement?.dataset.ready", timeout_s=30)
        return str(browser.evaluate(legend))

    shown = eventually_sync(
        lines, timeout_s=SETTLED_WITHIN_S, interval_s=1, accept=lambda text: "shortener-2" in text
    )
    assert texts(browser, "#variables summary span") == ["shortener-2"]
    assert "shortener " not in shown


def test_a_click_on_an_exemplar_opens_the_waterfall(filled: Stack, browser: chromium.Browser) -> None:
    ready = "document.documentElement?.dataset.ready"

    def exemplar() -> str:
        browser.open(
            f"{filled.page}/d/shortener-overview?from=now-5m&to=now&refresh=", ready=ready, timeout_s=30
        )
        return str(browser.evaluate("document.querySelector('.exemplar')?.href ?? ''"))

    target = eventually_sync(exemplar, timeout_s=SETTLED_WITHIN_S, interval_s=1)
    browser.open(target, ready=ready, timeout_s=30)
    assert len(texts(browser, ".waterfall details.span")) == 3


def test_the_page_says_plainly_what_is_wrong(browser: chromium.Browser, tmp_path: Path) -> None:
    port = free_port()
    away = f"http://127.0.0.1:{free_port()}"
    command = (
        sys.executable,
        SCRIPTS / "serve.py",
        "--port",
        str(port),
        "--prometheus",
        away,
        "--traces",
        tmp_path,
    )
    ready = "document.documentElement?.dataset.ready"
    with running(*command):
        eventually_sync(lambda: answers(f"http://127.0.0.1:{port}"), timeout_s=STARTED_WITHIN_S)
        browser.open(f"http://127.0.0.1:{port}/d/slo?refresh=", ready=ready, timeout_s=30)
        [banner] = texts(browser, "#banner:not([hidden])")
        browser.open(f"http://127.0.0.1:{port}/traces", ready=ready, timeout_s=30)
        [none] = texts(browser, ".card")
    assert "Prometheus does not answer" in banner
    assert "No trace yet" in none
