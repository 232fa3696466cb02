"""The two other sides of a saga as arithmetic: a shelf as inventory keeps it, and the money's far end."""

from dataclasses import dataclass, field

from orders.domain import facts
from orders.domain.calls import Answer, Call, Intent, Operation, Refund, Refused
from orders.domain.facts import Fact, StockFact
from orders.domain.saga import Command


@dataclass
class Shelf:
    """One order's reservation; a command that comes again gets the answer it got."""

    state: str = "none"
    answers: dict[Command, StockFact] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return self.state in {"reserved", "confirmed"}

    @property
    def sold(self) -> bool:
        return self.state == "confirmed"

    def ask(self, command: Command, *, luck: bool) -> StockFact:
        if command not in self.answers or self.state == "released":
            self.answers[command] = self._do(command, luck=luck)
        return self.answers[command]

    def _do(self, command: Command, *, luck: bool) -> StockFact:
        if command is Command.RELEASE:
            self.state = "released"
            return facts.StockReleased()
        if self.state == "released":
            return facts.StockRefused()
        if command is Command.RESERVE:
            self.state = "reserved" if luck else "refused"
            return facts.StockReserved() if luck else facts.StockRefused()
        if self.state == "reserved" or (self.state == "expired" and luck):
            self.state = "confirmed"
            return facts.StockConfirmed()
        return facts.StockRefused()

    def expire(self) -> bool:
        if self.state != "reserved":
            return False
        self.state = "expired"
        return True


@dataclass
class FarEnd:
    """One order's intents and refunds, each call done once a key; `told` are the events that it sends."""

    status: str = "none"
    opened: str = ""  # what is under way and not decided: authorise, capture, void
    refund_id: int = 0
    refund_status: str = "none"
    captures: int = 0
    refunded: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    told: list[Fact] = field(default_factory=list)

    @property
    def paid(self) -> bool:
        return self.captures == 1 and self.refunded == 0

    @property
    def holds(self) -> bool:
        """Money that is not the customer's again."""
        return self.status in {"requires_capture", "processing", "requires_action"} or (
            self.captures > self.refunded
        )

    def call(self, call: Call, luck: str) -> Answer:
        if call.polling:
            return self._refund() if call.operation is Operation.REFUND else self._intent()
        if call.key not in self.answers:
            self.answers[call.key] = self._do(call.operation, luck)
        return self.answers[call.key]

    def _do(self, operation: Operation, luck: str) -> Answer:
        match operation:
            case Operation.AUTHORISE:
                return self._authorise(luck)
            case Operation.CAPTURE:
                return self._capture(luck)
            case Operation.VOID:
                return self._void(luck)
            case Operation.REFUND:
                return self._begin_refund(luck)

    def _intent(self) -> Intent:
        return Intent("pi_1", "processing" if self.opened else self.status)

    def _refund(self) -> Refund:
        return Refund(f"re_{self.refund_id}", self.refund_status)

    def _authorise(self, luck: str) -> Answer:
        if luck == "later":
            self.status, self.opened = "processing", "authorise"
        elif luck == "action":
            self.status = "requires_action"
        else:
            self._authorised(yes=luck == "yes")
            if luck == "no":
                return Refused("card_declined", "pi_1")
        return self._intent()

    def _authorised(self, *, yes: bool) -> None:
        self.status = "requires_capture" if yes else "requires_payment_method"
        self.told.append(
            facts.PaymentAuthorised("pi_1") if yes else facts.PaymentDeclined("card_declined", "pi_1")
        )

    def _capture(self, luck: str) -> Answer:
        if self.status != "requires_capture" or self.opened:
            return self._intent()
        if luck == "later":
            self.opened = "capture"
        elif luck == "no":
            return Refused("charge_expired_for_capture")
        else:
            self._captured()
        return self._intent()

    def _captured(self) -> None:
        self.status = "succeeded"
        self.captures += 1
        self.told.append(facts.PaymentCaptured())

    def _void(self, luck: str) -> Answer:
        if self.status in {"succeeded", "canceled"} or self.opened:
            return self._intent()
        if luck == "later" and self.status == "requires_capture":
            self.opened = "void"
        elif luck == "no":
            return Refused("processing_error")
        else:
            self._voided()
        return self._intent()

    def _voided(self) -> None:
        self.status = "canceled"
        self.told.append(facts.PaymentVoided())

    def _begin_refund(self, luck: str) -> Answer:
        self.refund_id += 1
        self.refund_status = "pending"
        if luck != "later":
            self._end_refund(yes=luck == "yes")
        return self._refund()

    def _end_refund(self, *, yes: bool) -> None:
        self.refund_status = "succeeded" if yes else "failed"
        self.refunded += yes
        name = f"re_{self.refund_id}"
        self.told.append(facts.Refunded(name) if yes else facts.RefundFailed("declined", name))

    def resolve(self, *, yes: bool) -> None:
        """What was under way ends."""
        opened, self.opened = self.opened, ""
        if opened == "authorise":
            self._authorised(yes=yes)
        elif opened == "capture" and yes:
            self._captured()
        elif opened == "void" and yes:
            self._voided()
        if self.refund_status == "pending":
            self._end_refund(yes=yes)
