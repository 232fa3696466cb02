"""What became of money: counted after the commit, once an operation."""

from typing import Final

from chassis import metrics

from payments.domain.operations import Declined, Done, Kind, Operation, Outcome

INTENTS = metrics.counter("payments_intents_total", "Payment intents that came into a status.", ("status",))
MONEY = metrics.counter(
    "payments_money_minor_total",
    "Minor units that were moved, or asked for and declined.",
    ("outcome", "currency"),
)
OPERATIONS_FENCED = metrics.counter(
    "payments_operations_fenced_total", "Owners of an operation that came back after it was taken over."
)
OPERATIONS_RECONCILED = metrics.counter(
    "payments_operations_reconciled_total",
    "Operations that the reconciler took up, by what came of it.",
    ("kind", "outcome"),
)
UNKNOWN = metrics.gauge("payments_unknown_outcomes", "Operations whose outcome nobody knows.", ("kind",))
UNKNOWN_AGE = metrics.gauge(
    "payments_unknown_outcome_oldest_age_seconds", "Since the oldest operation of unknown outcome was begun."
)
_MOVED: Final = {Kind.CAPTURE: "captured", Kind.REFUND: "refunded"}


def record_outcome(op: Operation, outcome: Outcome) -> None:
    """Count the money of an operation that is closed."""
    match outcome:
        case Declined():
            MONEY.labels("declined", op.currency).inc(op.amount)
        case Done(document) if op.kind is Kind.AUTHORISE:
            MONEY.labels("authorised", op.currency).inc(op.amount)
            if document["captured"]:
                MONEY.labels("captured", op.currency).inc(document["captured"])
        case Done() if op.kind in _MOVED:
            MONEY.labels(_MOVED[op.kind], op.currency).inc(op.amount)
