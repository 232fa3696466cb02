"""Payments against a bare route, against localstripe, against a naive key store and against its own size."""

from collections.abc import Callable

from benchmarks._frame import Row
from benchmarks.payments.creates import measure_charges, measure_customers
from benchmarks.payments.forms import measure_forms
from benchmarks.payments.keys import measure_keys
from benchmarks.payments.ledger import measure_ledger
from benchmarks.payments.lists import measure_lists
from benchmarks.payments.webhooks import measure_webhooks

PARTS: dict[str, Callable[[], list[Row]]] = {
    "customers": measure_customers,
    "charges": measure_charges,
    "forms": measure_forms,
    "keys": measure_keys,
    "ledger": measure_ledger,
    "lists": measure_lists,
    "webhooks": measure_webhooks,
}
