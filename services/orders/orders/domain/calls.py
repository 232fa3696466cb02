"""A call to payments for one step of a saga, and what its answer means: pure, whoever made the call."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from orders.domain import facts
from orders.domain.facts import Fact
from orders.domain.saga import State


class Operation(StrEnum):
    AUTHORISE = "authorise"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


OPERATIONS: Final[Mapping[State, Operation]] = MappingProxyType(
    {
        State.AUTHORISING: Operation.AUTHORISE,
        State.CAPTURING: Operation.CAPTURE,
        State.VOIDING: Operation.VOID,
        State.REFUNDING: Operation.REFUND,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A claimed money step; `amount` in minor units, `fencing` the token under which it is settled."""

    order_id: str
    tenant_id: str
    operation: Operation
    attempts: int
    polling: bool
    round: int
    fencing: int
    payment_intent_id: str | None
    refund_id: str | None
    amount: int
    currency: str
    payment_method: str
    traceparent: str | None

    @property
    def key(self) -> str:
        """The idempotency key: the same for every attempt, so that the far end acts once."""
        key = f"{self.order_id}:{self.operation}"
        return f"{key}:{self.round}" if self.round else key


@dataclass(frozen=True, slots=True)
class Intent:
    """How a payment intent stands, in Stripe's words; `code` of its last error."""

    id: str
    status: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Refund:
    """How a refund stands, in Stripe's words."""

    id: str
    status: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The call will not be done, now or later."""

    code: str
    intent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody here can tell whether it was done."""

    error: str


Answer = Intent | Refund | Refused | Unknown

_HELD: Final = frozenset({"requires_capture", "succeeded"})
_UNDONE: Final = frozenset({"requires_action", "requires_confirmation"})
# The hold has run out at the bank: there is nothing left to void.
_NOT_HELD: Final = "charge_expired_for_capture"
_REFUNDED: Final = "charge_already_refunded"
_AUTHENTICATION: Final = "authentication_required"


def facts_of(operation: Operation, answer: Answer, retry_at: datetime) -> tuple[Fact, ...]:
    """What the saga learns; where the end is not known yet, it asks again at `retry_at`."""
    match answer:
        case Unknown(error):
            return (facts.PaymentUnknown(error, retry_at),)
        case Refund():
            return _refund_told(answer, retry_at)
        case Refused(code, intent_id):
            return (_refused(operation, code, intent_id, retry_at),)
        case Intent(id=intent_id, status="processing"):
            return (facts.PaymentPending(intent_id, retry_at),)
        case Intent():
            return (_INTENT_TOLD[operation](answer, retry_at),)


def _refund_told(refund: Refund, retry_at: datetime) -> tuple[Fact, ...]:
    known = facts.RefundPending(refund.id, retry_at)
    match refund.status:
        case "succeeded":
            return (known, facts.Refunded(refund.id))
        case "failed" | "canceled":
            return (known, facts.RefundFailed(refund.code or refund.status, refund.id))
        case _:
            return (known,)


def _refused(operation: Operation, code: str, intent_id: str | None, retry_at: datetime) -> Fact:
    match operation:
        case Operation.AUTHORISE:
            return facts.PaymentDeclined(code, intent_id)
        case Operation.CAPTURE:
            return facts.CaptureRefused(code)
        case Operation.VOID:
            return facts.PaymentVoided() if code == _NOT_HELD else facts.VoidRefused(code, retry_at)
        case Operation.REFUND:
            return facts.Refunded() if code == _REFUNDED else facts.RefundFailed(code)


def _after_authorise(intent: Intent, _retry_at: datetime) -> Fact:
    if intent.status in _HELD:
        return facts.PaymentAuthorised(intent.id)
    if intent.status == "canceled":
        return facts.PaymentVoided()
    if intent.status in _UNDONE:
        # Nobody is there to authenticate.
        return facts.PaymentDeclined(_AUTHENTICATION, intent.id, open=True)
    return facts.PaymentDeclined(intent.code or intent.status, intent.id)


def _after_capture(intent: Intent, _retry_at: datetime) -> Fact:
    if intent.status == "succeeded":
        return facts.PaymentCaptured()
    return facts.CaptureRefused(intent.code or intent.status)


def _after_void(intent: Intent, retry_at: datetime) -> Fact:
    if intent.status == "canceled":
        return facts.PaymentVoided()
    if intent.status == "succeeded":
        return facts.PaymentCaptured()
    return facts.VoidRefused(intent.status, retry_at)


def _after_refund(intent: Intent, retry_at: datetime) -> Fact:
    return facts.PaymentUnknown(f"a refund was expected, not intent {intent.id}", retry_at)


_INTENT_TOLD: Final = MappingProxyType(
    {
        Operation.AUTHORISE: _after_authorise,
        Operation.CAPTURE: _after_capture,
        Operation.VOID: _after_void,
        Operation.REFUND: _after_refund,
    }
)
