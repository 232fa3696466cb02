"""Whatever a sender writes, every sample is accounted for, and just what was accepted travels on."""

import asyncio
import math
import struct
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.domain.verdict import Verdict

from tests.support.remote_write import Request2, read, request, series, snap, unsnap
from tests.support.series_registry import NOW_MS, MemoryRegistry, judge, tenant

OLDEST_MS, NEWEST_MS = NOW_MS - 24 * 3_600_000, NOW_MS + 600_000
(STALE,) = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))

texts = st.sampled_from(["a", "job", "__name__", "é", "x" * 7, "y" * 130, "z" * 300]) | st.text(
    st.characters(codec="utf-8"), max_size=12
)
labels = st.lists(st.tuples(texts, texts), max_size=5)
named = labels.map(lambda pairs: [("__name__", "up"), *pairs])
timestamps = st.sampled_from(
    [NOW_MS, OLDEST_MS, OLDEST_MS - 1, NEWEST_MS, NEWEST_MS + 1, 0, -1, 2**63 - 1, -(2**63), NOW_MS * 10**6]
) | st.integers(OLDEST_MS, NEWEST_MS)
values = st.sampled_from([0.0, -0.0, math.nan, STALE, math.inf, -math.inf, 5e-324, 1.0]) | st.floats()
samples = st.lists(st.tuples(timestamps, values), max_size=6)
timeseries = st.tuples(named | labels, samples, st.integers(0, 1), st.integers(0, 1))


def encoded(pair: tuple[str, str]) -> tuple[bytes, bytes]:
    return pair[0].encode(), pair[1].encode()


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def label_reason(pairs: list[tuple[str, str]]) -> bool:
    """Whether labels are fine, told in another way than the service tells it."""
    names = [name for name, _ in pairs]
    found = dict(pairs)
    return (
        len(set(names)) == len(names)
        and bool(found.get("__name__"))
        and "" not in names
        and "signalbox_tenant" not in names
        and all(len(name.encode()) <= 200 for name in names)
        and len(found["__name__"].encode()) <= 200
    )


def expected(drawn: list[tuple[Any, ...]]) -> tuple[list[tuple[dict[bytes, bytes], tuple[int, bytes]]], int]:
    """Accepted samples in their order, and how many of them are dead."""
    kept, dead = [], 0
    for pairs, points, _, _ in drawn:
        for at, value in points:
            if label_reason(pairs) and OLDEST_MS <= at <= NEWEST_MS:
                kept.append(({name.encode(): text.encode() for name, text in pairs}, (at, bits(value))))
                dead += math.isnan(value) and bits(value) != bits(STALE)
    return kept, dead


def told(verdict: Verdict) -> list[tuple[dict[bytes, bytes], tuple[int, bytes]]]:
    return [
        (found, (at, bits(value)))
        for payload in verdict.payloads
        for found, points in read(unsnap(payload.compressed))
        for at, value in points
    ]


def check(verdict: Verdict, drawn: list[tuple[Any, ...]], *, histograms: int) -> None:
    kept, dead = expected(drawn)
    sent = sum(len(points) for _, points, _, _ in drawn) + histograms
    assert told(verdict) == kept
    assert (verdict.received, verdict.accepted, verdict.dead["nan"]) == (sent, len(kept), dead)
    assert sum(verdict.rejected.values()) == sent - len(kept)
    assert verdict.rejected["unsupported_native_histogram"] == histograms
    assert sum(payload.accepted for payload in verdict.payloads) == len(kept)
    assert sum(payload.dead.get("nan", 0) for payload in verdict.payloads) == dead
    assert bool(verdict.items) == bool(verdict.rejected)


@given(
    st.lists(timeseries, max_size=6),
    st.sampled_from([Bounds(), Bounds(slice_series=2, slice_unknown_series=1)]),
)
def test_every_sample_of_version_one_is_accounted_for_the_first_time_and_the_second(
    drawn: list[tuple[Any, ...]], bounds: Bounds
) -> None:
    raw = snap(
        request(
            [
                series(pairs, points, histograms=histograms, exemplars=exemplars)
                for pairs, points, histograms, exemplars in drawn
            ],
            metadata=["up"],
        )
    )
    one = judge(MemoryRegistry(), bounds)
    for _ in range(2):
        verdict = asyncio.run(one.remote_write_1(tenant(), raw))
        check(verdict, drawn, histograms=sum(one[2] for one in drawn))
        in_order = all(
            pairs == sorted(pairs, key=encoded) or len({name.lower() for name, _ in pairs}) == len(pairs)
            for pairs, _, _, _ in drawn
        )
        if verdict.accepted and not verdict.rejected and in_order:
            assert verdict.payloads[0].compressed is raw


@given(st.lists(timeseries, max_size=6))
def test_every_sample_of_version_two_is_accounted_for(drawn: list[tuple[Any, ...]]) -> None:
    message = Request2()
    for pairs, points, histograms, exemplars in drawn:
        message.add(pairs, points, histograms=histograms, exemplars=exemplars, created_timestamp=7)
    verdict = asyncio.run(judge().remote_write_2(tenant(), snap(message.encode())))
    check(verdict, drawn, histograms=sum(one[2] for one in drawn))


@given(st.lists(timeseries, max_size=6), st.integers(0, 3))
def test_what_the_budget_refuses_is_accounted_for(drawn: list[tuple[Any, ...]], room: int) -> None:
    raw = snap(request([series(pairs, points) for pairs, points, _, _ in drawn]))
    one = judge(MemoryRegistry(room))
    first, second = (asyncio.run(one.remote_write_1(tenant(), raw)) for _ in range(2))
    kept, _ = expected(drawn)
    for verdict in (first, second):
        assert verdict.accepted + sum(verdict.rejected.values()) == verdict.received
        lost = Counter(map(str, kept)) - Counter(map(str, told(verdict)))
        assert Counter(map(str, told(verdict))) <= Counter(map(str, kept))
        assert lost.total() <= verdict.rejected["new_series_limit"]
        assert len(told(verdict)) == verdict.accepted
    assert told(first) == told(second)
