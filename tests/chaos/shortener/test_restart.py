"""SIGTERM under load: no request fails and no click is lost."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.chaos.shortener.conftest import Fleet, Start
from tests.chaos.shortener.load import load
from tests.support.eventually import eventually
from tests.support.servers import Handle
from tests.support.shortener import Process

CLIENTS = 8
PAUSE_S = 0.002  # leaves the new process some of the machine to start on


@pytest.fixture
def public() -> Iterator[socket.socket]:
    """The socket that a supervisor holds for all replicas."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        listening.set_inheritable(True)
        yield listening


async def end(process: Process) -> None:
    process.signal(signal.SIGTERM)
    assert await process.gone() == 0, process.log.read_text()[-2000:]


async def test_a_rolling_restart_behind_one_socket_fails_no_request(
    fleet: Fleet, start_process: Start, public: socket.socket
) -> None:
    slugs, strangers = await fleet.links(200), ["nobody-here"]
    port, shared = public.getsockname()[1], {"HTTP_PUBLIC_FD": str(public.fileno())}
    replicas = await asyncio.gather(start_process(**shared), start_process(**shared))
    async with (
        load([port], slugs, clients=CLIENTS, strangers=strangers, pause_s=PAUSE_S) as kept,
        load([port], slugs, clients=CLIENTS, strangers=strangers, fresh=True, pause_s=PAUSE_S) as fresh,
    ):
        for replica in replicas:
            await asyncio.gather(kept.more(300), fresh.more(300))
            await end(replica)
            await asyncio.gather(kept.more(300), fresh.more(300))
            await start_process(**shared)
        await asyncio.gather(kept.more(300), fresh.more(300))
    assert kept.wrong == fresh.wrong == []
    assert set(kept.answers) == set(fresh.answers) == {302, 404}
    assert kept.closed > 0


async def test_on_its_own_port_old_clients_are_told_to_close_and_new_ones_served_while_it_drains(
    fleet: Fleet, start_process: Start
) -> None:
    slugs = await fleet.links(100)
    process = await start_process(DRAIN_S="3")
    async with load([process.port], slugs, clients=CLIENTS, reconnect=False) as kept:
        async with load([process.port], slugs, clients=CLIENTS, fresh=True) as fresh:
            await asyncio.gather(kept.more(300), fresh.more(300))
            process.signal(signal.SIGTERM)
            await eventually(lambda: "server.draining" in process.log.read_text())
            await fresh.more(300)
        assert await process.gone() == 0
    assert kept.wrong == fresh.wrong == []
    assert set(kept.answers) == set(fresh.answers) == {302}
    assert kept.closed == CLIENTS


async def test_clicks_that_wait_at_sigterm_reach_kafka(
    fleet: Fleet,
    start_process: Start,
    public: socket.socket,
    own_kafka: Handle,
    clicks_in: Callable[[str], Awaitable[int]],
) -> None:
    """Nothing is flushed while these processes live: all that arrives was sent on the way out."""
    slugs = await fleet.links(100)
    variables = {
        "HTTP_PUBLIC_FD": str(public.fileno()),
        "KAFKA_BOOTSTRAP": own_kafka.address,
        "CLICKS_FLUSH_S": "600",
    }
    replicas = await asyncio.gather(start_process(**variables), start_process(**variables))
    async with load([public.getsockname()[1]], slugs, clients=CLIENTS) as tally:
        await tally.more(500)
        await end(replicas[0])
        await tally.more(500)
        last = await start_process(**variables)
        await end(replicas[1])
        await tally.more(500)
    await end(last)
    assert tally.wrong == []
    assert await clicks_in(own_kafka.address) == tally.answers[302] > 1_500
