"""The make targets on a private copy of this checkout: what a newcomer types, and what goes wrong for them.

The tests share one running stack and leave it as they found it; the last ones take it down.
"""

import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator

import psutil
import pytest

from tests.support.copies import Copy
from tests.support.eventually import eventually_sync
from tests.support.shared import SharedServers

RESTART_TIMEOUT_S = 10.0  # part of the contract: a process that dies is ready again within ten seconds
PROCESSES = {"postgres", "redis", "kafka", "prometheus", "alertmanager", "shortener", "shortener-worker"}


@pytest.fixture(scope="module")
def copy(servers: SharedServers) -> Iterator[Copy]:
    # Outside pytest's own folders, which other accounts cannot enter.
    made = Copy(servers.own_folder("checkout"))
    made.root.chmod(0o755)
    made.make("up")
    yield made
    made.make("clean")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  (loopback)
            return bool(answer.status == 200)
    except OSError:
        return False


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
    assert rows.keys() == PROCESSES
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
    request = urllib.request.Request(  # noqa: S310  (loopback)
        f"{env['SHORTENER_URL']}/v1/links?limit=1",
        headers={"Authorization": f"Bearer {env['SHORTENER_API_KEY']}"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        assert answer.status == 200


@pytest.mark.parametrize("name", ["shortener", "shortener-worker", "redis", "postgres", "kafka"])
def test_a_killed_process_is_ready_again_within_ten_seconds(copy: Copy, name: str) -> None:
    row = copy.status()[name]
    os.kill(row["pid"], signal.SIGKILL)

    def again() -> bool:
        now = copy.status()[name]
        return bool(now["pid"] != row["pid"] and now["state"] == "running")

    eventually_sync(again, timeout_s=RESTART_TIMEOUT_S, interval_s=0.2)
    ready = f"http://127.0.0.1:{copy.status()['shortener']['port']}/readyz"
    eventually_sync(lambda: _answers(ready), timeout_s=RESTART_TIMEOUT_S, interval_s=0.1)


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


def test_a_restart_of_one_replica_after_the_other_fails_no_request(copy: Copy) -> None:
    copy.make("scale", "SERVICE=shortener", "N=2")
    url = f"{copy.env()['SHORTENER_URL']}/healthz"
    before = {copy.status()[name]["pid"] for name in ("shortener", "shortener-2")}
    answers: list[bool] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(_answers(url))

    caller = threading.Thread(target=ask)
    caller.start()
    copy.make("restart", "SERVICE=shortener")
    done.set()
    caller.join()
    assert before.isdisjoint(copy.status()[name]["pid"] for name in ("shortener", "shortener-2"))
    assert len(answers) > 10
    assert all(answers)
    copy.make("scale", "SERVICE=shortener", "N=1")


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
