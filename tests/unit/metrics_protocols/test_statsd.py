"""StatsD: readings, what they add up to, and the accounts of a flush that fails or is refused."""

import pytest
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.receivers.aggregates import AggregateBounds
from metrics_ingest.receivers.parsing.statsd import Kind, Reading, read
from metrics_ingest.receivers.statsd import _DROPPED, Statsd, StatsdBounds

from tests.support.series_registry import NOW_S, MemoryRegistry, judge, tenant
from tests.support.taken import Res


class BrokerGoneError(Exception):
    pass


async def acme() -> Tenant:
    return tenant()


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW_S)

    def __call__(self) -> float:
        return self.now


def statsd(res: Res, clock: Clock | None = None, **bounds: int) -> Statsd:
    return Statsd(
        StatsdBounds(lines_max=bounds.pop("lines_max", 1000), aggregates=AggregateBounds(**bounds)),
        res,
        acme,
        replica="1",
        passing=(BrokerGoneError,),
        clock=clock or Clock(),
    )


def dropped(reason: str) -> float:
    return _DROPPED.labels(reason).value


@pytest.mark.parametrize(
    ("line", "reading"),
    [
        ("hits:1|c", Reading(Kind.COUNTER, "hits", (), (1.0,))),
        ("hits:3|c|@0.5", Reading(Kind.COUNTER, "hits", (), (3.0,), 2.0)),
        ("a.b-c:1.5|g", Reading(Kind.GAUGE, "a_b_c", (), (1.5,))),
        ("load:-1|g", Reading(Kind.GAUGE, "load", (), (-1.0,), relative=True)),
        ("t:250|ms", Reading(Kind.TIMER, "t", (), (0.25,))),
        ("t:1:2:3|h", Reading(Kind.HISTOGRAM, "t", (), (1.0, 2.0, 3.0))),
        ("t:1|d|#z:1,a.b:x:y,canary,,z:2|c:abc", Reading(
            Kind.HISTOGRAM, "t", (("a_b", "x:y"), ("canary", "true"), ("z", "1;2")), (1.0,))),
        ("users:bob:ann|s", Reading(Kind.SET, "users", (), ("bob", "ann"))),
    ],
)  # fmt: skip
def test_a_line_is_a_reading(line: str, reading: Reading) -> None:
    assert list(read(line.encode())) == [reading]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hits", "malformed"),
        (b"hits:1", "malformed"),
        (b":1|c", "malformed"),
        (b"hits:|c", "malformed"),
        (b"hits:1|x", "malformed"),
        (b"hits:1|c|@0", "malformed"),
        (b"hits:1|c|@2", "malformed"),
        (b"_e{1,1}:a|b", "malformed"),
        (b"_sc|name|0", "malformed"),
        (b"hits:x|c", "invalid_value"),
        (b"hits:-1|c", "invalid_value"),
        (b"hits:1:|c", "invalid_value"),
        (b"hits:nan|g", "invalid_value"),
        (b"hits:1|c|T1656581400", "invalid_timestamp"),
        (b"h\xff:1|c", "invalid_utf8"),
    ],
)
def test_a_line_that_cannot_be_read_has_a_reason(line: bytes, reason: str) -> None:
    assert list(read(line)) == [reason]


async def test_a_window_tells_what_lines_came_to() -> None:
    res = Res()
    one = statsd(res)
    one.receive(
        b"hits:1|c\nhits:2|c|@0.5\nload:5|g\nload:+2|g\nload:-1|g\nusers:a|s\nusers:b|s\nusers:a|s\nbad\n"
    )
    await one.flush()
    replica = '{statsd_replica="1"}'
    assert res.values == {f"hits{replica}": 5.0, f"load{replica}": 6.0, f"users{replica}": 2.0}
    assert (res.verdict.received, res.verdict.accepted) == (9, 8)
    assert dict(res.verdict.rejected) == {"malformed": 1}


async def test_timers_become_histograms_in_seconds() -> None:
    res = Res()
    one = statsd(res)
    one.receive(b"t:20:250|ms|@0.5|#r:x\nt:20000|ms|#r:x")
    await one.flush()
    values = res.values
    assert values['t_bucket{le="0.025",r="x",statsd_replica="1"}'] == 2.0
    assert values['t_bucket{le="0.25",r="x",statsd_replica="1"}'] == 4.0
    assert values['t_bucket{le="10",r="x",statsd_replica="1"}'] == 4.0
    assert values['t_bucket{le="+Inf",r="x",statsd_replica="1"}'] == 5.0
    assert values['t_sum{r="x",statsd_replica="1"}'] == pytest.approx(20.54)
    assert values['t_count{r="x",statsd_replica="1"}'] == 5.0
    assert res.verdict.accepted == 2


async def test_counters_go_on_and_sets_begin_anew() -> None:
    res, clock = Res(), Clock()
    one = statsd(res, clock)
    for user in (b"a", b"b"):
        one.receive(b"hits:1|c\nusers:" + user + b"|s")
        await one.flush()
    assert [value for _, value in res.stored['hits{statsd_replica="1"}']] == [1.0, 2.0]
    assert [value for _, value in res.stored['users{statsd_replica="1"}']] == [1.0, 1.0]


async def test_a_quiet_window_tells_nothing_until_the_series_would_fade() -> None:
    res, clock = Res(), Clock()
    one = statsd(res, clock)
    one.receive(b"hits:1|c")
    await one.flush()
    await one.flush()
    assert len(res.accepting.taken) == 1
    clock.now += 60
    await one.flush()
    assert (len(res.accepting.taken), res.verdict.received, res.verdict.samples) == (2, 0, 1)


async def test_a_series_nobody_reads_is_forgotten() -> None:
    res, clock = Res(), Clock()
    one = statsd(res, clock)
    one.receive(b"hits:1|c\nt:1|ms")
    await one.flush()
    clock.now += 300
    await one.flush()
    assert len(one._aggregates) == 0


async def test_a_failed_flush_is_told_again_with_all_its_lines() -> None:
    res = Res()
    one = statsd(res)
    one.receive(b"hits:1|c\nusers:a|s\nbad")
    res.accepting.error = BrokerGoneError()
    with pytest.raises(BrokerGoneError):
        await one.flush()
    res.accepting.error = None
    one.receive(b"hits:1|c\nusers:b|s")
    await one.flush()
    assert res.values == {'hits{statsd_replica="1"}': 2.0, 'users{statsd_replica="1"}': 2.0}
    assert (res.verdict.received, res.verdict.accepted, res.verdict.rejected.total()) == (5, 4, 1)
    await one.flush()
    assert len(res.accepting.taken) == 1


async def test_lines_of_a_refused_series_are_refused_lines() -> None:
    res = Res(judge=judge(MemoryRegistry(room=1)))
    one = statsd(res)
    one.receive(b"a:1|c\nb:1|c\nb:1|c\na:1|c\nb:1|c")
    await one.flush()
    assert (res.verdict.received, res.verdict.accepted) == (5, 2)
    assert dict(res.verdict.rejected) == {"new_series_limit": 3}
    assert res.values == {'a{statsd_replica="1"}': 2.0}


async def test_many_series_are_told_in_their_own_lines() -> None:
    res = Res()
    one = statsd(res, lines_max=10_000)
    for n in range(700):
        one.receive(b"s%d:1|c\n" % n * (n % 3 + 1))
    await one.flush()
    assert res.verdict.accepted == sum(n % 3 + 1 for n in range(700))
    assert len(res.stored) == 700


async def test_one_name_has_one_type() -> None:
    res = Res()
    one = statsd(res)
    one.receive(b"a:1|c\na:1|g")
    await one.flush()
    assert dict(res.verdict.rejected) == {"invalid_name": 1}


async def test_what_there_is_no_room_for_is_dropped_and_counted() -> None:
    before = {reason: dropped(reason) for reason in ("series", "members", "rate")}
    one = statsd(Res(), series_max=2, members_max=2, lines_max=6)
    one.receive(b"a:1|c\nu:x|s\nu:y|s\nu:z|s\nb:1|c\nt:1|ms")
    one.receive(b"a:1|c\na:1|c\n")
    after = {reason: dropped(reason) - before[reason] for reason in before}
    assert after == {"series": 2, "members": 1, "rate": 2}


async def test_labels_of_all_series_are_bounded_together() -> None:
    before = dropped("series")
    one = statsd(Res(), label_bytes_max=100)
    one.receive(b"a:1|c|#k:%s" % (b"v" * 200))
    assert dropped("series") - before == 1
