"""Verdicts on remote write 1.0: what travels on as it came, what is left out, and why."""

import math
import struct

import pytest
from metrics_ingest.domain.bodies import BodyMalformed, BodyTooLarge
from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.domain.verdict import Verdict

from tests.support.remote_write import read, request, series, snap, unsnap
from tests.support.series_registry import NOW_MS, MemoryRegistry, judge, tenant

(STALE,) = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))
UP = (("__name__", "up"), ("job", "api"))


async def verdict_on(*timeseries: object, registry: MemoryRegistry | None = None, **limits: int) -> Verdict:
    return await judge(registry).remote_write_1(tenant(**limits), snap(request(timeseries)))


def stored(verdict: Verdict) -> list[tuple[dict[bytes, bytes], list[tuple[int, float]]]]:
    return [one for payload in verdict.payloads for one in read(unsnap(payload.compressed))]


async def test_what_is_accepted_whole_travels_as_it_came() -> None:
    raw = snap(request([series(UP, [(NOW_MS, 1.0)])], metadata=["up"]))
    verdict = await judge().remote_write_1(tenant(), raw)
    assert verdict.payloads[0].compressed is raw
    assert (verdict.received, verdict.accepted, verdict.samples, verdict.rejected) == (1, 1, 1, {})


async def test_a_known_series_is_asked_about_once() -> None:
    registry = MemoryRegistry()
    one = judge(registry)
    for at in range(3):
        await one.remote_write_1(tenant(), snap(request([series(UP, [(NOW_MS + at, 1.0)])])))
    assert registry.asked == 1


async def test_one_bad_series_in_five_hundred_costs_the_others_nothing() -> None:
    good = [series([*UP, ("i", str(i))], [(NOW_MS, float(i))]) for i in range(499)]
    bad = series([("__name__", "up"), ("job", "a"), ("job", "b")], [(NOW_MS, 1.0)])
    verdict = await verdict_on(*good[:200], bad, *good[200:])
    assert (verdict.received, verdict.accepted, dict(verdict.rejected)) == (500, 499, {"duplicate_label": 1})
    assert verdict.items == [(200, "duplicate_label")]
    assert [labels[b"i"] for labels, _ in stored(verdict)] == [str(i).encode() for i in range(499)]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([("job", "api")], "missing_name"),
        ([], "missing_name"),
        ([("__name__", ""), ("job", "api")], "missing_name"),
        ([*UP, ("", "x")], "empty_label_name"),
        ([*UP, ("job", "api")], "duplicate_label"),
        ([("__name__", "up"), ("__name__", "down")], "duplicate_label"),
        ([*UP, ("signalbox_tenant", "other")], "reserved_label"),
        ([("__name__", "u" * 201)], "name_too_long"),
        ([*UP, ("l" * 201, "x")], "label_name_too_long"),
        ([*UP, ("l", "x" * 2049)], "label_value_too_long"),
        ([("__name__", "up"), *((f"l{i:02}", "x") for i in range(31))], "too_many_labels"),
        ([("__name__", b"\xff\xfe")], "invalid_utf8"),
        ([*UP, (b"\xc0", "x")], "invalid_utf8"),
        ([*UP, ("l", b"\xed\xa0\x80")], "invalid_utf8"),
    ],
)
async def test_labels_are_refused_for_a_reason_also_the_second_time(
    labels: list[tuple[str | bytes, str | bytes]], reason: str
) -> None:
    raw = snap(request([series(labels, [(NOW_MS, 1.0)]), series(UP, [(NOW_MS, 2.0), (NOW_MS + 1, 0.0)])]))
    one = judge()
    for _ in range(2):
        verdict = await one.remote_write_1(tenant(), raw)
        assert (verdict.accepted, dict(verdict.rejected), verdict.items) == (2, {reason: 1}, [(0, reason)])
        assert stored(verdict) == [({b"__name__": b"up", b"job": b"api"}, [(NOW_MS, 2.0), (NOW_MS + 1, 0.0)])]


@pytest.mark.parametrize(
    "labels",
    [
        [("job", "api"), ("__name__", "up")],
        [("__name__", "http.server.request duration")],
        [("__name__", "naïve_größe"), ("π", "3.14"), ("with space", "…")],
        [("__name__", "up"), ("empty", "")],
        [("__name__", "u" * 200), ("l" * 200, "x" * 2048)],
        [("__name__", "up"), *((f"l{i:02}", "x") for i in range(30))],
    ],
)
async def test_labels_of_the_current_spec_are_accepted_as_they_are(labels: list[tuple[str, str]]) -> None:
    verdict = await verdict_on(series(labels, [(NOW_MS, 1.0)]))
    assert (verdict.accepted, verdict.rejected) == (1, {})


async def test_the_order_of_labels_makes_no_other_series() -> None:
    registry = MemoryRegistry(room=1)
    verdict = await verdict_on(
        series(UP, [(NOW_MS, 1.0)]), series(UP[::-1], [(NOW_MS + 1, 1.0)]), registry=registry
    )
    assert (verdict.accepted, len(registry.tables["acme"])) == (2, 1)


async def test_labels_whose_order_counts_in_the_store_leave_in_the_order_of_their_names() -> None:
    mixed = [("name", "b"), ("Name", "a"), ("__name__", "up")]
    one = judge()
    for samples in (
        [(NOW_MS, 1.0)],
        [(NOW_MS, 0.0)],
        [(NOW_MS, 0.0), (NOW_MS + 1, 2.0)],
        [(5, 1.0), (NOW_MS, 1.0)],
    ):
        verdict = await one.remote_write_1(tenant(), snap(request([series(mixed, samples)])))
        [(labels, kept)] = stored(verdict)
        assert list(labels) == [b"Name", b"__name__", b"name"]
        assert kept == [sample for sample in samples if sample[0] > 5]


async def test_a_label_without_a_value_makes_no_other_series() -> None:
    registry = MemoryRegistry(room=1)
    verdict = await verdict_on(
        series(UP, [(NOW_MS, 1.0)]), series([*UP, ("zone", "")], [(NOW_MS + 1, 1.0)]), registry=registry
    )
    assert (verdict.accepted, len(registry.tables["acme"])) == (2, 1)


@pytest.mark.parametrize(
    ("timestamp_ms", "reason"),
    [
        (NOW_MS + 600_000, None),
        (NOW_MS + 600_001, "too_far_in_future"),
        (NOW_MS - 24 * 3_600_000, None),
        (NOW_MS - 24 * 3_600_000 - 1, "too_old"),
        (NOW_MS * 1_000_000, "too_far_in_future"),
        (NOW_MS // 1000, "too_old"),
        (0, "too_old"),
        (-1, "too_old"),
        (-(2**63), "too_old"),
        (2**63 - 1, "too_far_in_future"),
    ],
)
@pytest.mark.parametrize("value", [0.0, 1.5])
async def test_a_time_outside_the_window_is_refused_whether_the_series_is_known_or_not(
    timestamp_ms: int, reason: str | None, value: float
) -> None:
    one = judge()
    raw = snap(request([series(UP, [(timestamp_ms, value)])]))
    first = await one.remote_write_1(tenant(), raw)
    await one.remote_write_1(tenant(), snap(request([series(UP, [(NOW_MS, 1.0)])])))
    for verdict in (first, await one.remote_write_1(tenant(), raw)):
        assert dict(verdict.rejected) == ({} if reason is None else {reason: 1})
        assert verdict.accepted == (reason is None)
        assert bool(verdict.payloads) == (reason is None)


async def test_a_series_without_an_acceptable_sample_takes_nothing_of_the_budget() -> None:
    registry = MemoryRegistry()
    await verdict_on(
        series(UP, [(5, 1.0)]), series([("__name__", "x")], [(5, 1.0), (6, 1.0)]), registry=registry
    )
    assert registry.asked == 0


async def test_only_the_samples_outside_the_window_are_left_out() -> None:
    samples = [(NOW_MS - 1, 0.0), (5, 1.0), (NOW_MS, 2.0), (NOW_MS + 10**9, 0.0), (NOW_MS + 1, 3.0)]
    verdict = await verdict_on(series(UP, samples))
    assert dict(verdict.rejected) == {"too_old": 1, "too_far_in_future": 1}
    assert stored(verdict)[0][1] == [(NOW_MS - 1, 0.0), (NOW_MS, 2.0), (NOW_MS + 1, 3.0)]


async def test_the_stale_marker_and_infinities_keep_their_bits() -> None:
    values = [STALE, math.inf, -math.inf, -0.0, 5e-324, 1 / 3]
    bad = series([], [(NOW_MS, 1.0)])
    verdict = await verdict_on(bad, series(UP, [(NOW_MS + i, value) for i, value in enumerate(values)]))
    kept = [value for _, value in stored(verdict)[0][1]]
    assert [struct.pack("<d", value) for value in kept] == [struct.pack("<d", value) for value in values]
    assert not verdict.dead


async def test_any_other_nan_is_accepted_and_accounted_as_dead() -> None:
    (payload_nan,) = struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))
    verdict = await verdict_on(
        series(UP, [(NOW_MS, math.nan)]),
        series([("__name__", "a")], [(NOW_MS, payload_nan), (NOW_MS + 1, -math.nan), (NOW_MS + 2, STALE)]),
    )
    assert (verdict.accepted, dict(verdict.dead), dict(verdict.payloads[0].dead)) == (
        4,
        {"nan": 3},
        {"nan": 3},
    )


async def test_native_histograms_are_refused_one_by_one_and_the_samples_beside_them_stay() -> None:
    verdict = await verdict_on(
        series(UP, [(NOW_MS, 1.0)], histograms=2), series([("__name__", "h")], [], histograms=1)
    )
    assert (verdict.received, verdict.accepted) == (4, 1)
    assert dict(verdict.rejected) == {"unsupported_native_histogram": 3}
    assert stored(verdict) == [({b"__name__": b"up", b"job": b"api"}, [(NOW_MS, 1.0)])]


async def test_exemplars_and_metadata_alone_are_no_points() -> None:
    raw = snap(request([series(UP, [], exemplars=3)], metadata=["up"]))
    verdict = await judge().remote_write_1(tenant(), raw)
    assert (verdict.received, verdict.accepted, verdict.payloads) == (0, 0, [])


async def test_an_empty_request_is_fine() -> None:
    verdict = await judge().remote_write_1(tenant(), snap(b""))
    assert (verdict.received, verdict.payloads) == (0, [])


async def test_a_bomb_is_refused_while_known_series_flow() -> None:
    registry = MemoryRegistry(room=10)
    one = judge(registry)
    old = [series([*UP, ("i", str(i))], [(NOW_MS, 1.0)]) for i in range(10)]
    await one.remote_write_1(tenant(), snap(request(old)))
    bomb = [series([("__name__", f"bomb_{i}")], [(NOW_MS, 1.0)]) for i in range(5000)]
    for _ in range(2):
        verdict = await one.remote_write_1(tenant(), snap(request([*bomb, *old])))
        assert (verdict.accepted, dict(verdict.rejected)) == (10, {"new_series_limit": 5000})
        assert len(verdict.items) == Bounds().examples_max
        assert len(stored(verdict)) == 10
    asked = registry.asked
    await one.remote_write_1(tenant(), snap(request(bomb[:900])))
    assert registry.asked == asked


async def test_a_large_body_leaves_in_records_of_bounded_size() -> None:
    bounds = Bounds(record_bytes_max=10_000)
    many = [series([*UP, ("i", f"{i * 7919:032x}")], [(NOW_MS, i / 7)]) for i in range(3000)]
    fat = series([("__name__", "fat")], [(NOW_MS + i, i / 3) for i in range(5000)])
    one = judge(bounds=bounds)
    verdict = await one.remote_write_1(tenant(), snap(request([*many[:1500], fat, *many[1500:]])))
    assert max(len(payload.compressed) for payload in verdict.payloads) <= 10_000
    assert sum(payload.accepted for payload in verdict.payloads) == verdict.accepted == 8000
    found = [(labels, sample) for labels, samples in stored(verdict) for sample in samples]
    assert len(found) == 8000
    assert [sample for labels, sample in found if labels[b"__name__"] == b"fat"] == [
        (NOW_MS + i, i / 3) for i in range(5000)
    ]


async def test_a_long_run_with_zeros_in_it_is_read_as_it_is() -> None:
    samples = [(NOW_MS + i, 0.0 if i % 3 else i / 7) for i in range(4000)]
    samples[17] = (5, 0.0)
    samples[19] = (NOW_MS + 19, math.nan)
    verdict = await verdict_on(series(UP, samples))
    assert (verdict.accepted, dict(verdict.rejected), dict(verdict.dead)) == (
        3999,
        {"too_old": 1},
        {"nan": 1},
    )
    del samples[17]
    assert [at for at, _ in stored(verdict)[0][1]] == [at for at, _ in samples]


async def test_a_declared_size_is_refused_before_it_is_taken() -> None:
    with pytest.raises(BodyTooLarge):
        await judge().remote_write_1(tenant(), b"\xff\xff\xff\xff\x0f")
    with pytest.raises(BodyTooLarge):
        await judge().remote_write_1(tenant(unpacked_bytes_max=100), snap(b"x" * 101))
    with pytest.raises(BodyMalformed):
        await judge().remote_write_1(tenant(), b"\x80\x80\x80\x10" + b"a" * 10)


@pytest.mark.parametrize(
    "message",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x08\x01",
        b"\x0b",
        b"\x8a\x00\x02\x12\x00",
        b"\x0a\x04\x0a\x02\x0a\x09",
        b"\x0a\x02\x12\x05",
        b"\x0a\x16\x0a\x0d\x0a\x08__name__\x12\x01x\x12\x01\x09",
        b"\x0a\x16\x0a\x0f\x0a\x08__name__\x12\x03abcxxxxx",
        b"\x00\x00",
        b"not protobuf at all",
    ],
)
async def test_what_is_no_write_request_is_malformed(message: bytes) -> None:
    with pytest.raises(BodyMalformed):
        await judge().remote_write_1(tenant(), snap(message))


async def test_a_body_of_very_many_series_is_too_large_whatever_is_in_them() -> None:
    one = judge(bounds=Bounds(request_series_max=1000))
    assert (await one.remote_write_1(tenant(), snap(b"\x0a\x00" * 1000))).received == 0
    with pytest.raises(BodyTooLarge, match="1000 series"):
        await one.remote_write_1(tenant(), snap(b"\x0a\x00" * 1_000_000))


async def test_a_known_series_of_several_samples_keeps_those_that_are_fine() -> None:
    one = judge()
    fine = [(NOW_MS, 1.0), (NOW_MS - 1, 0.0), (NOW_MS - 2, 2.0)]
    block = snap(request([series(UP, fine)]))
    for _ in range(2):
        verdict = await one.remote_write_1(tenant(), block)
        assert (verdict.received, verdict.accepted, verdict.payloads[0].compressed) == (3, 3, block)
    mixed = [*fine, (NOW_MS + 86_400_000, 3.0), (NOW_MS - 3, math.nan)]
    verdict = await one.remote_write_1(tenant(), snap(request([series(UP, fine), series(UP, mixed)])))
    assert (verdict.received, verdict.accepted, verdict.dead) == (8, 7, {"nan": 1})
    assert verdict.rejected == {"too_far_in_future": 1}
