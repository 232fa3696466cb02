"""The saga of an order: its states, what is kept of it, and what a decision about it says (ADR-0010).

    reserving -> authorising -> confirming -> capturing -> done (completed)
        |            |              |             |
        |            |              +-> voiding <-+-> refunding
        |            |                     |              |
        +----------> releasing <-----------+--------------+
                         |
                         +-> done (rejected, cancelled)

The upper row goes forward; below, each step gives back what one above may have taken, in the opposite order.
`orders.domain.rules` decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from orders.domain.timeline import Step


class State(StrEnum):
    RESERVING = "reserving"
    AUTHORISING = "authorising"
    CONFIRMING = "confirming"
    CAPTURING = "capturing"
    VOIDING = "voiding"
    REFUNDING = "refunding"
    RELEASING = "releasing"
    DONE = "done"


class Command(StrEnum):
    """What is asked of inventory."""

    RESERVE = "reserve"
    CONFIRM = "confirm"
    RELEASE = "release"


class Reason(StrEnum):
    """Why an order is rejected."""

    OUT_OF_STOCK = "out_of_stock"
    PAYMENT_DECLINED = "payment_declined"
    PAYMENT_UNAVAILABLE = "payment_unavailable"
    RESERVATION_EXPIRED = "reservation_expired"
    CAPTURE_FAILED = "capture_failed"


# The states that wait for inventory and what they ask of it; in the other ones the executor calls payments.
COMMANDS: Final[Mapping[State, Command]] = {
    State.RESERVING: Command.RESERVE,
    State.CONFIRMING: Command.CONFIRM,
    State.RELEASING: Command.RELEASE,
}
MONEY: Final = frozenset({State.AUTHORISING, State.CAPTURING, State.VOIDING, State.REFUNDING})
FORWARD: Final = frozenset({State.RESERVING, State.AUTHORISING, State.CONFIRMING, State.CAPTURING})


@dataclass(frozen=True, slots=True)
class Terms:
    """How long stock is set aside, a command waits (doubled to a maximum), an order for payment."""

    reservation: timedelta
    step_timeout: timedelta
    step_timeout_max: timedelta
    give_up_after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Saga:
    """One row of `sagas`.

    `due_at` is when it goes on by itself if no fact comes first: a money step is called (or its owner's lease
    ends), a command is sent again; None when nothing is to be done before an operator says so. `attempts` of
    the step: 0 means that no call can have left. `polling`: the far end has the call, so ask instead of
    calling. `round` grows when a step begins anew under another idempotency key. `fencing` grows with each
    owner and with each state. `reason` and `cancelling` say that it goes back, or will as soon as it can.
    """

    order_id: str
    tenant_id: str
    state: State
    version: int
    attempts: int
    polling: bool
    round: int
    fencing: int
    payment_intent_id: str | None
    refund_id: str | None
    reason: Reason | None
    cancelling: bool
    entered_at: datetime
    due_at: datetime | None
    give_up_at: datetime
    stuck_since: datetime | None
    last_error: str | None
    created_at: datetime

    @property
    def undoing(self) -> bool:
        """Whether it ends without a sale, whatever it learns."""
        return self.cancelling or self.reason is not None


@dataclass(frozen=True, slots=True)
class Row:
    """A row for the order's timeline."""

    step: Step
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The saga afterwards, what its order's timeline tells of it, and the command to inventory.

    `ignored` says why a fact changed nothing.
    """

    saga: Saga
    rows: tuple[Row, ...] = ()
    command: Command | None = None
    ignored: str | None = None


def begin(order_id: str, tenant_id: str, at: datetime, terms: Terms) -> Saga:
    """The saga of a new order, whose reservation is asked for in the same transaction."""
    return Saga(
        order_id=order_id,
        tenant_id=tenant_id,
        state=State.RESERVING,
        version=1,
        attempts=1,
        polling=False,
        round=0,
        fencing=0,
        payment_intent_id=None,
        refund_id=None,
        reason=None,
        cancelling=False,
        entered_at=at,
        due_at=at + terms.step_timeout,
        give_up_at=at + terms.give_up_after,
        stuck_since=None,
        last_error=None,
        created_at=at,
    )
