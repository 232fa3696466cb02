"""One public socket for many replicas, with real processes: none of them is missed when it leaves."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.paths import ROOT
from tests.support.eventually import eventually_sync
from tests.support.ports import free_port

MODULE = ROOT / "infra" / "docker" / "image"
# A service in ten lines: it answers its pid on the socket it was given, and leaves between two requests.
SERVICE = """
import os, signal, socket
stopping = False
def stop(*_):
    global stopping
    stopping = True
signal.signal(signal.SIGTERM, stop)
public = socket.socket(fileno=int(os.environ["HTTP_PUBLIC_FD"]))
public.settimeout(0.1)
while not stopping:
    try:
        conn, _ = public.accept()
    except TimeoutError:
        continue
    conn.settimeout(5)
    conn.recv(4096)
    conn.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n%d" % os.getpid())
    conn.close()
"""
# It keeps the first packet that the socket for StatsD gives it.
HEARS = """
import os, pathlib, socket
packet = socket.socket(fileno=int(os.environ["STATSD_FD"])).recv(4096)
part = pathlib.Path(__file__).with_name("part")
part.write_bytes(packet)
part.rename(part.with_name("heard"))
"""
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start(tmp_path: Path, port: int) -> Iterator[Start]:
    (tmp_path / "answer.py").write_text(SERVICE)
    environment = {
        "HTTP_PUBLIC_PORT": str(port),
        "HTTP_PUBLIC_SOCKET": str(tmp_path / "s"),
        "PYTHONPATH": f"{MODULE}:{tmp_path}",
    }
    started: list[subprocess.Popen[bytes]] = []

    def run(*words: str) -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen([sys.executable, "-m", "public_socket", *words], env=os.environ | environment)
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait(timeout=10)


def ask(port: int, timeout_s: float = 10.0) -> int:
    """The pid of the process that answered."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        conn.request("GET", "/")
        return int(conn.getresponse().read())
    finally:
        conn.close()


def asked(port: int, processes: set[int]) -> None:
    """Asks until each of `processes` has answered."""
    seen: set[int] = set()

    def all_answered() -> bool:
        try:
            seen.add(ask(port))
        except ConnectionRefusedError:  # the holder is starting
            return False
        return seen >= processes

    eventually_sync(all_answered)


def test_replicas_share_the_public_socket_and_one_that_leaves_fails_no_request(
    start: Start, port: int
) -> None:
    start("hold")
    first, second = start("take", "answer"), start("take", "answer")
    asked(port, {first.pid, second.pid})
    first.terminate()
    for _ in range(200):
        ask(port)
    assert first.wait(timeout=10) == 0
    assert {ask(port) for _ in range(20)} == {second.pid}


def test_packets_for_a_port_that_is_held_reach_a_replica(
    start: Start, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del port
    (tmp_path / "hear.py").write_text(HEARS)
    udp_port = free_port()
    monkeypatch.setenv("STATSD_PORT", str(udp_port))
    start("hold")
    start("take", "hear")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def heard() -> bool:
            sender.sendto(b"hits:1|c", ("127.0.0.1", udp_port))
            return (tmp_path / "heard").exists()

        eventually_sync(heard, timeout_s=30)
    assert (tmp_path / "heard").read_bytes() == b"hits:1|c"


def test_whoever_connects_while_no_replica_runs_waits_and_is_answered(start: Start, port: int) -> None:
    start("hold")
    only = start("take", "answer")
    asked(port, {only.pid})
    only.send_signal(signal.SIGTERM)
    only.wait(timeout=10)
    waiting = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    waiting.request("GET", "/")
    successor = start("take", "answer")
    assert int(waiting.getresponse().read()) == successor.pid
    waiting.close()


def test_replicas_leave_a_socket_whose_holder_died_and_take_the_next_one(start: Start, port: int) -> None:
    holder = start("hold")
    orphan = start("take", "answer")
    asked(port, {orphan.pid})
    holder.kill()
    assert orphan.wait(timeout=10) == 0, "the end of the holder is a SIGTERM to its borrowers"
    start("hold")
    heir = start("take", "answer")
    asked(port, {heir.pid})
