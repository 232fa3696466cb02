"""What an order's saga can learn: from inventory, from payments, from the clock, from people."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StockReserved:
    """The lines are set aside for the order."""


@dataclass(frozen=True, slots=True)
class StockRefused:
    """The answer to a reservation or to a confirmation: nothing is set aside."""


@dataclass(frozen=True, slots=True)
class StockConfirmed:
    """The lines are sold to the order."""


@dataclass(frozen=True, slots=True)
class StockReleased:
    """Whatever was set aside or sold is back on the shelf, and stays there."""


@dataclass(frozen=True, slots=True)
class ReservationExpired:
    """It ran out; a confirmation takes it again if there is still stock, or is refused."""


@dataclass(frozen=True, slots=True)
class PaymentPending:
    """The far end has taken the call and does not know the outcome yet: ask how it stands at `retry_at`."""

    intent_id: str
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentAuthorised:
    intent_id: str


@dataclass(frozen=True, slots=True)
class PaymentDeclined:
    """`open`: the intent could still be paid by somebody, so that it has to be closed."""

    code: str
    intent_id: str | None = None
    open: bool = False


@dataclass(frozen=True, slots=True)
class PaymentUnknown:
    """No answer, or none that says what happened: the same call with the same key, at `retry_at`."""

    error: str
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentCaptured:
    """The money is ours."""


@dataclass(frozen=True, slots=True)
class CaptureRefused:
    """For good; what was authorised may still be held."""

    code: str


@dataclass(frozen=True, slots=True)
class PaymentVoided:
    """Nothing is held and nothing can be taken any more."""


@dataclass(frozen=True, slots=True)
class VoidRefused:
    """It is still held: another call under another key, at `retry_at`."""

    error: str
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class RefundPending:
    """The refund exists, its end does not yet: ask how it stands at `retry_at`."""

    refund_id: str
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class Refunded:
    refund_id: str | None = None


@dataclass(frozen=True, slots=True)
class RefundFailed:
    """For good: another try is another refund, and a decision of people."""

    code: str
    refund_id: str | None = None


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """By the customer."""


@dataclass(frozen=True, slots=True)
class StepOverdue:
    """A command is without an answer for too long."""


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The order has waited for its payment longer than anybody would."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """By an operator: go on now."""


StockFact = StockReserved | StockRefused | StockConfirmed | StockReleased | ReservationExpired
MoneyFact = (
    PaymentPending
    | PaymentAuthorised
    | PaymentDeclined
    | PaymentUnknown
    | PaymentCaptured
    | CaptureRefused
    | PaymentVoided
    | VoidRefused
    | RefundPending
    | Refunded
    | RefundFailed
)
Fact = StockFact | MoneyFact | CancelRequested | StepOverdue | GaveUp | Pushed
