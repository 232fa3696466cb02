"""Every number that an ADR quotes about the chassis."""

from collections.abc import Callable

from benchmarks._frame import Row
from benchmarks.chassis import (
    consuming,
    idempotency,
    limiter_costs,
    relaying,
    resilience,
    telemetry,
    transactions,
)

PARTS: dict[str, Callable[[], list[Row]]] = {
    "transactions": transactions.measure,
    "relaying": relaying.measure,
    "consuming": consuming.measure,
    "idempotency": idempotency.measure,
    "limiter": limiter_costs.measure,
    "telemetry": telemetry.measure,
    "resilience": resilience.measure,
}
