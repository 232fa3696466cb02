"""StatsD over real UDP: packets are heard, replicas share a port, and the last window is told at the end."""

import contextlib
import socket

from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.receivers import statsd
from metrics_ingest.receivers.statsd import Statsd, StatsdBounds

from tests.support.eventually import eventually
from tests.support.metrics import Log, serving, settings_of
from tests.support.remote_write import read, unsnap
from tests.support.series_registry import NOW_S, tenant
from tests.support.taken import Res


async def acme() -> Tenant:
    return tenant()


def send(port: int, packet: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(packet, ("127.0.0.1", port))


def heard(one: Statsd) -> float:
    return sum(aggregate.value for aggregate in one._aggregates._all.values())


async def test_packets_are_heard_and_told_at_the_latest_at_the_end() -> None:
    res = Res()
    one = Statsd(StatsdBounds(window_s=60), res, acme, replica="1", passing=(), clock=lambda: NOW_S)
    async with one.listening("127.0.0.1", 0) as port:
        send(port, b"hits:1|c\nhits:1|c")
        await eventually(lambda: heard(one) == 2)
        # The loop has no time to hear this one before the end.
        send(port, b"hits:1|c")
    assert list(res.values.values()) == [3.0]


async def test_a_window_is_told_when_it_is_over() -> None:
    res = Res()
    one = Statsd(StatsdBounds(window_s=0.01), res, acme, replica="1", passing=(), clock=lambda: NOW_S)
    async with one.listening("127.0.0.1", 0) as port:
        send(port, b"hits:3|c")
        await eventually(lambda: bool(res.accepting.taken))
    assert list(res.values) == ['hits{statsd_replica="1"}']


async def test_a_socket_that_is_held_for_all_replicas_is_heard_and_outlives_them() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        for name in "12":
            await _hears_one_more(held, name)


async def _hears_one_more(held: socket.socket, name: str) -> None:
    one = Statsd(StatsdBounds(window_s=60), Res(), acme, replica=name, passing=(), clock=lambda: NOW_S)
    async with one.listening("", 0, fd=held.fileno()) as port:
        assert port == held.getsockname()[1]
        send(port, b"hits:1|c")
        await eventually(lambda: heard(one) == 1)


async def test_packets_that_the_kernel_had_no_room_for_are_counted() -> None:
    def dropped() -> float:
        return statsd._DROPPED.labels(statsd.KERNEL).value

    before = dropped()
    bounds = StatsdBounds(window_s=0.01, receive_buffer_bytes=4096)
    one = Statsd(bounds, Res(), acme, replica="1", passing=(), clock=lambda: NOW_S)
    async with one.listening("127.0.0.1", 0) as port:
        for _ in range(200):
            send(port, b"hits:1|c")
        await eventually(lambda: dropped() > before)


async def test_replicas_share_a_port() -> None:
    bounds = StatsdBounds(window_s=60)
    both = [Statsd(bounds, Res(), acme, replica=name, passing=(), clock=lambda: NOW_S) for name in "12"]
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(both[0].listening("127.0.0.1", 0))
        assert await stack.enter_async_context(both[1].listening("127.0.0.1", port)) == port
        for _ in range(40):
            send(port, b"hits:1|c")
        await eventually(lambda: sum(map(heard, both)) == 40)


async def test_a_process_takes_packets_for_its_tenant_and_accounts_for_them(
    shared_dsn: str, redis_url: str, log: Log
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = settings_of(shared_dsn, redis_url, statsd_port=port, statsd_tenant="one", statsd_window_s=60)
    async with serving(settings, log):
        send(port, b"hits:3|c|#env:prod\nbad\n")
    (told,) = log.headers()
    assert (told["tenant"], told["protocol"]) == ("one", "statsd")
    assert (told["received"], told["accepted"], told["rejected"]) == ("2", "1", '{"malformed": 1}')
    ((labels, ((_, value),)),) = read(unsnap(log.records[0].value or b""))
    assert (labels[b"__name__"], labels[b"env"], value) == (b"hits", b"prod", 3.0)
