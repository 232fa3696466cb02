"""The order pipeline: its relay, its consumers, the order of its events, and all of it together."""

from collections.abc import Callable

from benchmarks._frame import Row
from benchmarks.orders.consuming import measure_consumer
from benchmarks.orders.ordering import measure_order
from benchmarks.orders.pipeline import measure_pipeline
from benchmarks.orders.relaying import measure_relay
from benchmarks.orders.reservations import measure_reservations

PARTS: dict[str, Callable[[], list[Row]]] = {
    "relay": measure_relay,
    "consumer": measure_consumer,
    "order": measure_order,
    "reservations": measure_reservations,
    "pipeline": measure_pipeline,
}
