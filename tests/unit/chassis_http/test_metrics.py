"""Metrics: our histogram tells what prometheus-client's would, and the page speaks both formats."""

import pytest
from chassis import metrics
from chassis.metrics import HTTP_SECONDS, Histogram
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as TheirHistogram
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from tests.unit.chassis_http.support import ask

BUCKETS = (0.001, 0.01, 0.1, 1.0)


@given(values=st.lists(st.floats(min_value=0, max_value=5)))
def test_it_exposes_exactly_what_the_clients_own_histogram_does(values: list[float]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    our = Histogram("h_seconds", "help", ("a", "b"), BUCKETS, registry=ours).labels("x", 1)
    their = TheirHistogram("h_seconds", "help", ("a", "b"), buckets=BUCKETS, registry=theirs).labels("x", 1)
    for value in (*values, *BUCKETS):
        our.observe(value)
        their.observe(value)

    def samples(registry: CollectorRegistry) -> set[tuple[str, str]]:
        lines = generate_latest(registry).decode().splitlines()
        return {tuple(x.rsplit(" ", 1)) for x in lines if not x.startswith("#") and "_created" not in x}  # type: ignore[misc]

    def rounded(page: set[tuple[str, str]]) -> set[tuple[str, float]]:
        return {(name, round(float(value), 6)) for name, value in page}

    assert rounded(samples(ours)) == rounded(samples(theirs))


def test_an_exemplar_stands_at_the_bucket_of_its_value() -> None:
    registry = CollectorRegistry()
    histogram = Histogram("h_seconds", "help", (), BUCKETS, registry=registry)
    histogram.observe(0.05, {"trace_id": "abc"})
    page = openmetrics(registry).decode()  # type: ignore[no-untyped-call]
    (line,) = [line for line in page.splitlines() if "trace_id" in line]
    assert line.startswith('h_seconds_bucket{le="0.1"} 1.0 # {trace_id="abc"} 0.05')


def test_labels_are_given_whole_by_place_or_by_name() -> None:
    histogram = Histogram("h", "help", ("a", "b"), BUCKETS, registry=CollectorRegistry())
    assert histogram.labels("1", "2") is histogram.labels(b="2", a="1")
    with pytest.raises(ValueError, match="labels"):
        histogram.labels("1")


async def test_the_page_is_openmetrics_for_those_who_ask_and_text_for_the_rest() -> None:
    HTTP_SECONDS.labels("GET", "/page", 200).observe(0.01, {"trace_id": "ab" * 16})
    rich = await ask(
        metrics.exposition,
        headers={"Accept": "application/openmetrics-text; version=1.0.0; charset=utf-8"},
    )
    assert rich.headers["content-type"].startswith("application/openmetrics-text")
    assert b'trace_id="' + b"ab" * 16 in rich.body
    assert rich.body.endswith(b"# EOF\n")
    plain = await ask(metrics.exposition)
    assert plain.headers["content-type"].startswith("text/plain")
    assert b"trace_id" not in plain.body
    assert b"process_resident_memory_bytes" in plain.body
