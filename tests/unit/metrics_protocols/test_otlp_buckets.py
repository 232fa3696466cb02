"""Exponential histograms as classic buckets: bounds of their scale, counts below them."""

import pytest
from metrics_ingest.receivers.parsing.otlp_buckets import BUCKETS_MAX, Range, below

NONE = Range(0, [])


def test_bounds_are_the_powers_of_the_scale() -> None:
    assert list(below(0, 0.0, 0, NONE, Range(-1, [1, 2, 3]))) == [(0.5, 0), (1.0, 1), (2.0, 3), (4.0, 6)]


def test_negative_zero_and_positive_stand_in_order() -> None:
    found = list(below(0, 0.0, 5, Range(0, [1, 2]), Range(1, [4])))
    assert found == [(-4.0, 0), (-2.0, 2), (-1.0, 3), (0.0, 8), (2.0, 8), (4.0, 12)]


def test_finer_scales_are_merged_into_the_same_bounds() -> None:
    counts = [1] * 64
    fine = dict(below(5, 0.0, 0, NONE, Range(-7, counts)))
    assert len(fine) == 18
    assert list(fine) == pytest.approx([2 ** (place / 8) for place in range(-2, 16)])
    assert max(fine.values()) == 64


def test_a_histogram_of_many_octaves_is_made_coarser() -> None:
    found = list(below(3, 0.0, 0, Range(-400, [1] * 400), Range(-400, [1] * 800)))
    assert len(found) <= BUCKETS_MAX + 3
    assert found[-1][1] == 1200


def test_what_no_double_can_tell_apart_is_counted_all_the_same() -> None:
    huge = list(below(-10, 0.0, 1, NONE, Range(2**31 - 4, [1, 1])))
    assert huge == [(0.0, 1)]
    tiny = list(below(-10, 0.0, 1, NONE, Range(-(2**31), [1, 1])))
    assert tiny[0][0] == 0.0
    assert sorted({bound for bound, _ in tiny}) == [bound for bound, _ in tiny]
