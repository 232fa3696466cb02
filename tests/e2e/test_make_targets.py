"""The make targets on a private copy of this checkout: what a newcomer types, and what goes wrong for them.

The tests share one running stack and leave it as they found it; the last ones take it down.
"""

import json
import os
import signal
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import psutil
import pytest

from tests.support.copies import Copy
from tests.support.eventually import eventually_sync
from tests.support.shared import SharedServers

RESTART_TIMEOUT_S = 10.0  # part of the contract: a process that dies is ready again within ten seconds
SERVERS = {"postgres", "redis", "kafka", "victoriametrics", "prometheus", "alertmanager"}
SERVICES = {
    *("shortener", "shortener-worker", "payments", "payments-worker", "bank"),
    *("orders", "orders-worker", "inventory", "inventory-worker", "notifications-worker", "mailcatcher"),
    *("metrics-ingest", "metrics-writer"),
}


@pytest.fixture(scope="module")
def copy(servers: SharedServers) -> Iterator[Copy]:
    # Outside pytest's own folders, which other accounts cannot enter.
    made = Copy(servers.own_folder("checkout"))
    made.root.chmod(0o755)
    made.make("up")
    yield made
    made.make("clean")


def _answers(url: str, key: str = "") -> bool:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  (loopback)
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def _asked(url: str, key: str, document: dict[str, Any], method: str = "POST") -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    headers |= {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
    request = urllib.request.Request(url, json.dumps(document).encode(), headers, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
        return found


def _placed(env: dict[str, str]) -> str:
    """The address of a new order for one product of a tenant."""
    orders, key = f"{env['ORDERS_URL']}/v1", env["ORDERS_API_KEY"]
    product = {"name": "Mug", "unit_price": 1200, "currency": "usd", "stock": 1_000}
    _asked(f"{orders}/products/e2e-mug", key, product, "PUT")
    lines = [{"sku": "e2e-mug", "quantity": 1}]
    order = {"customer_id": "e2e", "currency": "usd", "payment_method": "pm_card_visa", "lines": lines}
    return f"{orders}/orders/{_asked(f'{orders}/orders', key, order)['id']}"


def _status_of(url: str, key: str) -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return str(json.load(answer)["status"])


def _processes_of(copy: Copy) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("SIGNALBOX_RUN") == str(copy.root / ".run"):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_every_process_runs_after_up(copy: Copy) -> None:
    rows = copy.status()
    assert rows.keys() == SERVERS | SERVICES
    assert {row["state"] for row in rows.values()} == {"running"}
    assert all(isinstance(row["pid"], int) and isinstance(row["port"], int) for row in rows.values())


def test_up_a_second_time_changes_nothing(copy: Copy) -> None:
    before = {name: row["pid"] for name, row in copy.status().items()}
    copy.make("up")
    assert {name: row["pid"] for name, row in copy.status().items()} == before


def test_env_prints_export_lines_alone_and_they_work(copy: Copy) -> None:
    lines = copy.make("env").stdout.splitlines()
    assert [line for line in lines if not line.startswith("export ")] == []
    env = copy.env()
    assert _answers(f"{env['SHORTENER_URL']}/v1/links?limit=1", env["SHORTENER_API_KEY"])
    for name in ("PAYMENTS_API_KEY", "PAYMENTS_API_KEY_2"):
        assert _answers(f"{env['PAYMENTS_URL']}/v1/balance", env[name])
    assert _answers(f"{env['PAYMENTS_URL']}/admin/proof", env["ADMIN_API_KEY"])
    assert _answers(f"{env['BANK_URL']}/admin/book?limit=1", env["ADMIN_API_KEY"])
    for name in ("ORDERS_API_KEY", "ORDERS_API_KEY_2"):
        assert _answers(f"{env['ORDERS_URL']}/v1/orders?limit=1", env[name])
    assert _answers(f"{env['ORDERS_URL']}/v1/dead-letters?limit=1", env["ADMIN_API_KEY"])
    assert _answers(f"{env['MAILCATCHER_URL']}/messages")
    for name in ("METRICS_API_KEY", "METRICS_API_KEY_2", "ADMIN_API_KEY"):
        assert _answers(f"{env['METRICS_URL']}/api/v1/ledger", env[name])


@pytest.mark.parametrize("name", sorted(SERVICES | {"redis", "postgres", "kafka"}))
def test_a_killed_process_is_ready_again_within_ten_seconds(copy: Copy, name: str) -> None:
    row = copy.status()[name]
    os.kill(row["pid"], signal.SIGKILL)

    def again() -> bool:
        now = copy.status()[name]
        return bool(now["pid"] != row["pid"] and now["state"] == "running")

    eventually_sync(again, timeout_s=RESTART_TIMEOUT_S, interval_s=0.2)
    rows = copy.status()
    for service in SERVICES & {name} or {"shortener", "payments", "orders", "orders-worker"}:
        ready = f"http://127.0.0.1:{rows[service]['port']}/readyz"
        eventually_sync(partial(_answers, ready), timeout_s=RESTART_TIMEOUT_S, interval_s=0.1)


def test_an_order_taken_without_kafka_completes_when_it_is_back(copy: Copy) -> None:
    env = copy.env()
    copy.make("stop", "SERVICE=kafka")
    order = _placed(env)
    assert _status_of(order, env["ORDERS_API_KEY"]) == "pending"
    copy.make("up", "SERVICE=kafka")
    ended = eventually_sync(
        partial(_status_of, order, env["ORDERS_API_KEY"]), timeout_s=60, accept=lambda s: s != "pending"
    )
    assert ended == "completed"


def test_points_taken_without_the_store_can_be_queried_when_it_is_back(copy: Copy) -> None:
    env = copy.env()
    copy.make("stop", "SERVICE=victoriametrics")
    points = {"points": [{"name": "e2e_room_celsius", "labels": {"room": "a"}, "type": "gauge", "value": 21}]}
    taken = _asked(f"{env['METRICS_URL']}/api/v1/points", env["METRICS_API_KEY"], points)
    assert (taken["accepted"], taken["rejected"]) == (1, [])
    host, port = env["STATSD_ADDR"].split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"e2e.visits:3|c", (host, int(port)))
    copy.make("up", "SERVICE=victoriametrics")
    assert _queried(env, "e2e_room_celsius") == "21"
    assert _queried(env, "sum(e2e_visits)") == "3"
    assert int(_queried(env, 'count(up{job="metrics-ingest"})', "METRICS_API_KEY_STACK")) == 1


def _queried(env: dict[str, str], expression: str, key: str = "METRICS_API_KEY") -> str:
    """The value of the one series that it comes to, once there is one."""
    url = f"{env['METRICS_URL']}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    headers = {"Authorization": f"Bearer {env[key]}"}

    def found() -> str:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                [one] = json.load(answer)["data"]["result"] or [{"value": [0, ""]}]
        except urllib.error.HTTPError:
            return ""
        return str(one["value"][1])

    return eventually_sync(found, timeout_s=60, interval_s=0.2)


def test_what_operators_ask_of_orders_is_a_make_target(copy: Copy) -> None:
    assert "orders_have_one_state" in copy.make("reconcile").stdout
    assert copy.make("dead-letters").returncode == 0


def test_a_stopped_process_stays_stopped_until_it_is_asked_up(copy: Copy) -> None:
    copy.make("stop", "SERVICE=redis")
    assert copy.status()["redis"]["state"] == "stopped"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", copy.ports["REDIS_PORT"])) != 0
    copy.make("up", "SERVICE=redis")
    assert copy.status()["redis"]["state"] == "running"


def test_scaling_adds_and_removes_replicas_behind_one_address(copy: Copy) -> None:
    copy.make("scale", "SERVICE=shortener", "N=3")
    rows = copy.status()
    assert {"shortener", "shortener-2", "shortener-3"} <= rows.keys()
    for name in ("shortener", "shortener-2", "shortener-3"):
        assert _answers(f"http://127.0.0.1:{rows[name]['port']}/readyz")
    copy.make("scale", "SERVICE=shortener", "N=1")
    assert "shortener-2" not in copy.status()
    assert _answers(f"{copy.env()['SHORTENER_URL']}/readyz")


def test_a_worker_has_no_address_to_share_and_is_scaled_alike(copy: Copy) -> None:
    copy.make("scale", "SERVICE=orders-worker", "N=2")
    assert _answers(f"http://127.0.0.1:{copy.status()['orders-worker-2']['port']}/readyz")
    copy.make("scale", "SERVICE=orders-worker", "N=1")
    assert "orders-worker-2" not in copy.status()


@pytest.mark.parametrize(
    ("service", "address"), [("shortener", "SHORTENER_URL"), ("metrics-ingest", "METRICS_URL")]
)
def test_a_restart_of_one_replica_after_the_other_fails_no_request(
    copy: Copy, service: str, address: str
) -> None:
    copy.make("scale", f"SERVICE={service}", "N=2")
    url = f"{copy.env()[address]}/healthz"
    before = {copy.status()[name]["pid"] for name in (service, f"{service}-2")}
    answers: list[bool] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(_answers(url))

    caller = threading.Thread(target=ask)
    caller.start()
    copy.make("restart", f"SERVICE={service}")
    done.set()
    caller.join()
    assert before.isdisjoint(copy.status()[name]["pid"] for name in (service, f"{service}-2"))
    assert len(answers) > 10
    assert all(answers)
    copy.make("scale", f"SERVICE={service}", "N=1")


def test_the_demo_keeps_every_promise(copy: Copy) -> None:
    told = copy.make("demo").stdout
    assert "held" in told
    assert "BROKEN" not in told


@pytest.mark.parametrize(("service", "rate"), [("payments", 20), ("orders", 10), ("metrics-ingest", 15)])
def test_a_load_test_meets_no_wrong_answer_and_its_results_can_be_queried(
    copy: Copy, service: str, rate: int
) -> None:
    # How fast it is says nothing on a machine that runs tests: only the answers count here.
    options = f"ARGS=--rate {rate} --duration 5 --lag-p99-ms 5000"
    copy.make("load", f"SERVICE={service}", options, check=False)
    found = json.loads((copy.root / "out" / "load" / f"{service}.json").read_text())["operations"]["all"]
    assert found["count"] > 0
    assert found["errors"] == {}
    expression = f'load_requests{{scenario="{service}", operation="all"}}'
    assert int(_queried(copy.env(), expression)) == found["count"]


def test_stopping_a_service_stops_all_its_replicas(copy: Copy) -> None:
    copy.make("scale", "SERVICE=shortener", "N=2")
    copy.make("stop", "SERVICE=shortener")
    rows = copy.status()
    assert {rows["shortener"]["state"], rows["shortener-2"]["state"]} == {"stopped"}
    copy.make("up", "SERVICE=shortener")
    assert _answers(f"{copy.env()['SHORTENER_URL']}/readyz")
    copy.make("scale", "SERVICE=shortener", "N=1")


def test_a_taken_port_is_named_with_its_variable(copy: Copy) -> None:
    copy.make("stop", "SERVICE=redis")
    with socket.create_server(("127.0.0.1", copy.ports["REDIS_PORT"])):
        failed = copy.make("up", "SERVICE=redis", check=False)
    copy.make("up", "SERVICE=redis")
    assert failed.returncode != 0
    assert str(copy.ports["REDIS_PORT"]) in failed.stderr
    assert "REDIS_PORT=" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("up", "SERVICE=nothing"), "there is no service nothing"),
        (("scale", "SERVICE=redis", "N=2"), "redis cannot be scaled"),
        (("scale", "SERVICE=shortener", "N=99"), "N=99"),
    ],
)
def test_a_wrong_word_is_told_with_what_would_be_right(copy: Copy, words: tuple[str, ...], told: str) -> None:
    failed = copy.make(*words, check=False)
    assert failed.returncode != 0
    assert told in failed.stderr
    assert "next:" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_up_clears_what_a_killed_supervisor_left_behind(copy: Copy) -> None:
    os.kill(int((copy.root / ".run/supervisor/supervisord.pid").read_text()), signal.SIGKILL)
    orphans = set(_processes_of(copy))
    copy.make("up")
    assert {row["state"] for row in copy.status().values()} == {"running"}
    assert orphans.isdisjoint(_processes_of(copy))


def test_stop_leaves_no_process_and_clean_no_data(copy: Copy) -> None:
    copy.make("stop")
    assert _processes_of(copy) == []
    assert {row["state"] for row in copy.status().values()} == {"stopped"}
    assert copy.make("env", check=False).returncode != 0
    copy.make("clean")
    assert [entry.name for entry in (copy.root / ".run").iterdir()] == ["cache"]
