"""SIGTERM under load fails no request."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.integration.chassis_http.processes import Served, Tally, load, served
from tests.support.eventually import eventually


@pytest.fixture
def shared_socket() -> Iterator[socket.socket]:
    """What a supervisor holds for all replicas."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        listening.set_inheritable(True)
        yield listening


async def get(port: int, path: str) -> tuple[int, bytes, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await asyncio.wait_for(reader.read(), 30)).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), head, body


async def stopped(process: Served) -> int:
    await process.port()
    process.terminate()
    return await process.exit_code()


async def more_answers(tally: Tally, count: int) -> None:
    wanted = tally.answers.total() + count
    await eventually(lambda: tally.answers.total() >= wanted or tally.failures, timeout_s=30)


async def test_a_rolling_restart_of_two_replicas_on_one_socket_fails_no_request(
    tmp_path: Path,
    shared_socket: socket.socket,
) -> None:
    fd, port = shared_socket.fileno(), shared_socket.getsockname()[1]
    with ExitStack() as replicas:
        start = partial(served, tmp_path, shared_fd=fd)
        first, second = replicas.enter_context(start()), replicas.enter_context(start())
        await asyncio.gather(first.port(), second.port())
        async with load(port, clients=16) as tally:
            await more_answers(tally, 500)
            assert await stopped(first) == 0
            await more_answers(tally, 500)
            third = replicas.enter_context(start())
            await third.port()
            assert await stopped(second) == 0
            await more_answers(tally, 500)
    assert tally.failures == []
    assert set(tally.answers) == {200}
    assert tally.closed > 0


async def test_a_lone_process_that_restarts_leaves_its_new_clients_waiting_in_the_socket(
    tmp_path: Path,
    shared_socket: socket.socket,
) -> None:
    fd, port = shared_socket.fileno(), shared_socket.getsockname()[1]
    with ExitStack() as replicas:
        before = replicas.enter_context(served(tmp_path, shared_fd=fd))
        await before.port()
        async with load(port, clients=8) as tally:
            await more_answers(tally, 300)
            assert await stopped(before) == 0
            after = replicas.enter_context(served(tmp_path, shared_fd=fd))
            await after.port()
            await more_answers(tally, 300)
    assert tally.failures == []
    assert set(tally.answers) == {200}


async def test_keep_alive_clients_of_a_lone_process_are_answered_until_they_are_told_to_close(
    tmp_path: Path,
) -> None:
    with served(tmp_path) as process:
        port = await process.port()
        async with load(port, clients=16, reconnect=False) as tally:
            await more_answers(tally, 500)
            process.terminate()
        assert await process.exit_code() == 0
    assert tally.failures == []
    assert set(tally.answers) == {200}
    assert tally.closed == 16


async def test_while_draining_the_direct_port_answers_and_readiness_is_false(tmp_path: Path) -> None:
    with served(tmp_path, DRAIN_S="5") as process:
        port = await process.port()
        assert (await get(port, "/readyz"))[0] == 200
        process.terminate()
        await eventually(lambda: "server.draining" in process.events())
        status, _, body = await get(port, "/readyz")
        assert status == 503
        assert json.loads(body)["status"] == "not_ready"
        assert (await get(port, "/healthz"))[0] == 200
        assert (await get(port, "/fast"))[0] == 200


async def test_a_request_that_outlasts_the_drain_is_finished(tmp_path: Path) -> None:
    with served(tmp_path, DRAIN_S="0.1") as process:
        port = await process.port()
        answer = asyncio.create_task(get(port, "/slow?seconds=1.5"))
        assert await until_busy(port)
        process.terminate()
        status, head, _ = await answer
        assert status == 200
        assert b"connection: close" in head.lower()
        assert await process.exit_code() == 0


async def until_busy(port: int) -> bool:
    async def is_busy() -> bool:
        _, _, page = await get(port, "/metrics")
        return b"http_server_active_requests 1.0" in page

    return await eventually(is_busy)


async def test_a_taken_port_ends_the_process_with_a_line_that_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with served(tmp_path, HTTP_PORT=port) as process:
            assert await process.exit_code() == 1
            line = next(line for line in process.lines() if line["event"] == "server.port_taken")
            assert str(line["port"]) == port


async def test_a_worker_drains_on_sigterm_and_exits_0(tmp_path: Path) -> None:
    with served(tmp_path, "patient") as worker:
        assert await stopped(worker) == 0
        assert "drained" in worker.log.read_text()


async def test_a_worker_that_does_not_end_is_cancelled_after_its_time(tmp_path: Path) -> None:
    with served(tmp_path, "hanging", WORKER_DRAIN_TIMEOUT_S="0.5") as worker:
        assert await stopped(worker) == 1
        assert "worker.cancelled" in worker.events()


async def test_a_worker_that_fails_takes_its_process_down(tmp_path: Path) -> None:
    with served(tmp_path, "failing") as worker:
        assert await worker.exit_code() == 1
        line = next(line for line in worker.lines() if line["event"] == "worker.failed")
        assert line["error"] == "LookupError"
