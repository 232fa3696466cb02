"""Outlines of bodies: what is kept of them, for how long, and when they are of no use."""

from unittest.mock import patch

import numpy as np
from metrics_ingest.domain import docket
from metrics_ingest.domain.known import Known
from metrics_ingest.domain.layouts import Layouts

from tests.support.remote_write import request, series, snap
from tests.support.series_registry import NOW_MS, judge, tenant


def body(job: str, value: float = 1.0) -> bytes:
    return request([series([("__name__", "up"), ("job", job)], [(NOW_MS, value)])])


def kept(layouts: Layouts, known: Known, *jobs: str) -> list[bool]:
    return [layouts.find(known, body(job, 2.0)) is not None for job in jobs]


def keep(layouts: Layouts, known: Known, job: str) -> None:
    message = body(job)
    layouts.keep(known, message, np.array([len(message)], np.int64), np.array([0], np.int64))


async def test_the_next_scrape_is_not_walked() -> None:
    one = judge()
    for value in (1.0, 2.0):
        await one.remote_write_1(tenant(), snap(body("api", value)))
    with patch.object(docket, "scan", side_effect=AssertionError("walked")):
        verdict = await one.remote_write_1(tenant(), raw := snap(body("api", 3.0)))
    assert (verdict.received, verdict.accepted, verdict.payloads[0].compressed) == (1, 1, raw)


def test_those_that_were_not_used_for_longest_go_first() -> None:
    known, size = Known(series_max=10, refused_max=0), len(body("a")) + 16
    layouts = Layouts(2 * size)
    for job in "ab":
        keep(layouts, known, job)
    assert kept(layouts, known, "a") == [True]
    keep(layouts, known, "c")
    assert kept(layouts, known, *"abc") == [True, False, True]


def test_one_larger_than_all_room_is_not_kept() -> None:
    known, layouts = Known(series_max=10, refused_max=0), Layouts(10)
    keep(layouts, known, "a")
    assert kept(layouts, known, "a") == [False]


def test_they_end_with_what_they_say_of_slots() -> None:
    known, layouts = Known(series_max=10, refused_max=0), Layouts(1000)
    known.add(b"hash", 1)
    for forgetting in (known.unlearn, lambda: known.forget([b"hash"])):
        keep(layouts, known, "a")
        assert kept(layouts, known, "a") == [True]
        forgetting()
        assert kept(layouts, known, "a") == [False]
    keep(layouts, known, "a")
    assert kept(layouts, Known(series_max=10, refused_max=0), "a") == [False]
