"""Broken and forged bytes: a clear refusal, or a verdict that an independent reader agrees with."""

import asyncio
import contextlib

from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from metrics_ingest.domain.bodies import BodyError, decode
from metrics_ingest.domain.verdict import Verdict

from tests.support.remote_write import Request2, read, request, series, snap, unsnap
from tests.support.series_registry import NOW_MS, judge, tenant

UP = [("__name__", "up"), ("job", "api")]
TIMESERIES = [
    series(UP, [(NOW_MS, 1.5)]),
    series(UP, [(NOW_MS, 0.0)]),
    series([*UP, ("i", "x" * 140)], [(NOW_MS, 1.0), (NOW_MS + 1, 0.0), (NOW_MS + 2, 2.0)]),
    series(UP, [(5, 1.0), (NOW_MS, 1.0)], exemplars=1),
    series([*UP, ("h", "1")], [(NOW_MS, 1.0)], histograms=1),
    series([("__name__", "b")], [(NOW_MS, 2.0)]),
]
MESSAGE = request(TIMESERIES, metadata=["up"])
WHOLE = request([TIMESERIES[0], TIMESERIES[2], TIMESERIES[1], TIMESERIES[5]])


def message_2() -> bytes:
    message = Request2()
    message.add(UP, [(NOW_MS, 1.5), (NOW_MS + 1, 0.0)])
    message.add([*UP, ("i", "x")], [(NOW_MS, 1.0)], start_timestamp=NOW_MS, exemplars=1)
    message.add([*UP, ("h", "1")], [], histograms=1)
    return message.encode()


MESSAGE_2 = message_2()


def agree(verdict: Verdict) -> None:
    """What travels on reads elsewhere as what was counted, with no label that nobody judged."""
    assert verdict.accepted + sum(verdict.rejected.values()) == verdict.received
    for payload in verdict.payloads:
        found = [(labels, samples) for labels, samples in read(unsnap(payload.compressed)) if samples]
        assert sum(len(samples) for _, samples in found) == payload.samples
        for labels, samples in found:
            assert labels.get(b"__name__")
            assert b"" not in labels
            assert b"signalbox_tenant" not in labels
            assert all(NOW_MS - 24 * 3_600_000 <= at <= NOW_MS + 600_000 for at, _ in samples)


def judge_both_ways(raw: bytes, version: int) -> None:
    """By an engine that knows nothing, and by one that knows every series of the unbroken message."""
    fresh, wise = judge(), judge()

    async def run() -> None:
        await wise.remote_write_1(tenant(), snap(MESSAGE))
        for one in (fresh, wise):
            with contextlib.suppress(BodyError):
                agree(await (one.remote_write_1 if version == 1 else one.remote_write_2)(tenant(), raw))

    asyncio.run(run())


edits = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from("=+-")), max_size=4)


def edit(message: bytes, changes: list[tuple[int, int, str]]) -> bytes:
    out = bytearray(message)
    for at, byte, kind in changes:
        place = at % (len(out) + 1)
        out[place : place + (kind != "+")] = b"" if kind == "-" else bytes([byte])
    return bytes(out)


@given(edits, st.sampled_from([MESSAGE, WHOLE]))
def test_an_edited_write_request_is_refused_or_agreed_upon(
    changes: list[tuple[int, int, str]], message: bytes
) -> None:
    judge_both_ways(snap(edit(message, changes)), 1)


@given(edits)
def test_an_edited_version_two_request_is_refused_or_agreed_upon(changes: list[tuple[int, int, str]]) -> None:
    judge_both_ways(snap(edit(MESSAGE_2, changes)), 2)


def test_a_truncated_message_is_refused_or_agreed_upon() -> None:
    for message, version in ((MESSAGE, 1), (MESSAGE_2, 2)):
        for length in range(len(message)):
            judge_both_ways(snap(message[:length]), version)


def test_a_truncated_block_is_refused() -> None:
    for version in (1, 2):
        block = snap(MESSAGE if version == 1 else MESSAGE_2)
        for length in range(len(block)):
            judge_both_ways(block[:length], version)


@given(st.binary(max_size=200), st.sampled_from([1, 2]))
def test_any_bytes_are_refused_or_agreed_upon(data: bytes, version: int) -> None:
    judge_both_ways(data, version)
    judge_both_ways(snap(data), version)


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "zstd", "snappy", "gzip, zstd"]))
def test_any_bytes_of_any_encoding_are_unpacked_or_refused(data: bytes, encoding: str) -> None:
    with contextlib.suppress(BodyError):
        assert len(decode(data, encoding, 1000)) <= 1000


@given(edits)
def test_what_the_reference_cannot_read_is_not_accepted_whole(changes: list[tuple[int, int, str]]) -> None:
    message = edit(WHOLE, changes)
    try:
        read(message)
    except DecodeError:
        raw = snap(message)
        with contextlib.suppress(BodyError):
            verdict = asyncio.run(judge().remote_write_1(tenant(), raw))
            assert all(payload.compressed is not raw for payload in verdict.payloads)
