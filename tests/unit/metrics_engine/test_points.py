"""Points of the slow protocols: each accepted whole or not at all, by its index in the request."""

import math

from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.domain.points import Point, Refused, Sample

from tests.support.remote_write import read, unsnap
from tests.support.series_registry import NOW_MS, MemoryRegistry, judge, tenant


def gauge(index: int, name: str, value: float = 1.0, at: int | None = NOW_MS, **labels: str) -> Point:
    return Point(index, [Sample((*labels.items(), ("__name__", name)), at, value)])


async def test_points_are_encoded_with_their_labels_in_order() -> None:
    verdict = await judge().points(tenant(), [gauge(0, "up", zone="b", area="ä")])
    assert (verdict.received, verdict.accepted, verdict.samples) == (1, 1, 1)
    labels, samples = read(unsnap(verdict.payloads[0].compressed))[0]
    assert list(labels.items()) == [(b"__name__", b"up"), (b"area", "ä".encode()), (b"zone", b"b")]
    assert samples == [(NOW_MS, 1.0)]


async def test_no_timestamp_means_now() -> None:
    verdict = await judge().points(tenant(), [gauge(0, "up", at=None)])
    assert read(unsnap(verdict.payloads[0].compressed))[0][1] == [(NOW_MS, 1.0)]


async def test_each_refusal_has_its_index_and_reason() -> None:
    points: list[Point | Refused] = [
        gauge(0, "up"),
        Refused(1, "invalid_value"),
        gauge(2, "up", at=5),
        gauge(3, "up", at=NOW_MS + 10 * 24 * 3_600_000),
        gauge(4, ""),
        gauge(5, "up", signalbox_tenant="x"),
        Point(6, []),
        gauge(7, "up", l="\ud800"),
        gauge(8, "up"),
    ]
    verdict = await judge().points(tenant(), points)
    assert verdict.items == [
        (1, "invalid_value"),
        (2, "too_old"),
        (3, "too_far_in_future"),
        (4, "missing_name"),
        (5, "reserved_label"),
        (6, "no_samples"),
        (7, "invalid_utf8"),
    ]
    assert (verdict.received, verdict.accepted, sum(verdict.rejected.values())) == (9, 2, 7)


async def test_a_histogram_is_one_point_and_falls_as_one() -> None:
    def histogram(index: int, at: int) -> Point:
        return Point(
            index,
            [
                Sample((("__name__", "h_bucket"), ("le", "1")), NOW_MS, 1.0),
                Sample((("__name__", "h_bucket"), ("le", "+Inf")), NOW_MS, 2.0),
                Sample((("__name__", "h_count"),), at, 2.0),
            ],
        )

    verdict = await judge().points(tenant(), [histogram(0, NOW_MS), histogram(1, 5)])
    assert (verdict.received, verdict.accepted, verdict.samples) == (2, 1, 3)
    assert (verdict.payloads[0].accepted, verdict.payloads[0].samples) == (1, 3)


async def test_a_nan_is_accepted_and_dead() -> None:
    verdict = await judge().points(tenant(), [gauge(0, "up", math.nan), gauge(1, "up", 1.0)])
    assert (verdict.accepted, dict(verdict.dead), dict(verdict.payloads[0].dead)) == (
        2,
        {"nan": 1},
        {"nan": 1},
    )


async def test_a_budget_that_ends_refuses_what_is_new_only() -> None:
    one = judge(MemoryRegistry(room=2))
    points = [gauge(i, f"m{i}") for i in range(4)]
    for _ in range(2):
        verdict = await one.points(tenant(), points)
        assert verdict.items == [(2, "new_series_limit"), (3, "new_series_limit")]
        assert verdict.accepted == 2


async def test_many_points_leave_in_records_of_bounded_size() -> None:
    points = [gauge(i, "up", i / 7, id=f"{i * 7919:040x}") for i in range(2500)]
    verdict = await judge(bounds=Bounds(record_bytes_max=8192)).points(tenant(), points)
    assert max(len(payload.compressed) for payload in verdict.payloads) <= 8192
    assert sum(payload.accepted for payload in verdict.payloads) == 2500
    assert sum(len(read(unsnap(payload.compressed))) for payload in verdict.payloads) == 2500
