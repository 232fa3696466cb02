"""Metrics ingestion: what a point costs at the receivers, in the writer and on disk, and to ask for."""

from collections.abc import Callable

from benchmarks._frame import Row
from benchmarks.metrics_ingest.queries import measure_queries
from benchmarks.metrics_ingest.receivers import measure_receivers
from benchmarks.metrics_ingest.writer import measure_writer

PARTS: dict[str, Callable[[], list[Row]]] = {
    "receivers": measure_receivers,
    "writer": measure_writer,
    "queries": measure_queries,
}
