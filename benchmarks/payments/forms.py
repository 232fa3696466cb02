"""What it costs to read a request's form: by the dialect's table, and by a pydantic model (ADR-0026)."""

import time
from collections.abc import Callable
from typing import Annotated
from urllib.parse import parse_qsl

from payments.dialect import form
from payments.dialect.params import Choice, Currency, Field, Integer, Metadata, Text, read_fields
from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic import Field as Bounded

from benchmarks._frame import Row, alternate, less_is_better

REPEATS = 5_000
ROUNDS = 5
FORM = (
    b"amount=1099&currency=usd&description=Order+6735&payment_method=pm_card_visa&capture_method=manual"
    b"&metadata[order]=6735&metadata[colour]=red"
)
TABLE: dict[str, Field] = {
    "amount": Integer(1, 99_999_999, required=True),
    "currency": Currency(required=True),
    "description": Text(nullable=True),
    "payment_method": Text(),
    "capture_method": Choice("automatic", "automatic_async", "manual"),
    "metadata": Metadata(),
}

Short = Annotated[str, StringConstraints(max_length=5_000)]


class Draft(BaseModel):
    """The same as a model, metadata's brackets taken apart by hand."""

    model_config = ConfigDict(extra="forbid")

    amount: Annotated[int, Bounded(ge=1, le=99_999_999)]
    currency: Annotated[str, StringConstraints(pattern="^[A-Za-z]{3}$")]
    description: Short | None = None
    payment_method: Short | None = None
    capture_method: str | None = None
    metadata: dict[Annotated[str, StringConstraints(max_length=40)], Short] = {}


def measure_forms() -> list[Row]:
    ways: dict[str, Callable[[], float]] = {"table": lambda: _us(_by_table), "model": lambda: _us(_by_model)}
    seen = alternate(ways, rounds=ROUNDS)
    name = "a form of seven parameters, parsed and checked: table / parse_qsl and a pydantic model"
    return [less_is_better(name, seen["table"], seen["model"], unit="us")]


def _us(work: Callable[[], object]) -> float:
    """CPU microseconds."""
    started = time.process_time()
    for _ in range(REPEATS):
        work()
    return (time.process_time() - started) / REPEATS * 1e6


def _by_table() -> object:
    return read_fields(TABLE, form.parse(FORM, parameters_max=1_000, depth_max=8, chars_max=5_000))


def _by_model() -> object:
    flat: dict[str, object] = {}
    metadata: dict[str, str] = {}
    for name, value in parse_qsl(FORM.decode(), keep_blank_values=True, max_num_fields=1_000):
        if name.startswith("metadata["):
            metadata[name[9:-1]] = value
        else:
            flat[name] = value
    return Draft.model_validate({**flat, "metadata": metadata}).model_dump(exclude_unset=True)
