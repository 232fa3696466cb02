"""A call to the bank: what is asked, how far it came, and what the bank said."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    AUTHORISE = "authorise"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class State(StrEnum):
    CALLING = "calling"
    UNKNOWN = "unknown"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row of `bank_operations`; `context` is what its kind needs to go on after a crash.

    `amount` is in minor units. `scope`, `key`, `key_fencing` name the claim of the client's request that
    waits for the answer; without an Idempotency-Key they are None.
    """

    id: str
    account_id: str
    kind: Kind
    intent_id: str
    amount: int
    currency: str
    bank_key: str
    due_at: datetime
    created_at: datetime
    context: dict[str, Any] = field(default_factory=dict)
    refund_id: str | None = None
    bank_charge_id: str | None = None
    state: State = State.CALLING
    fencing: int = 1
    attempts: int = 1
    scope: str | None = None
    key: str | None = None
    key_fencing: int | None = None
    request_id: str = ""
    traceparent: str | None = None
    expand: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """The bank did it; `document` is its charge, or its refund."""

    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Declined:
    """The bank decided against it, for good; `code` is its decline code or a refund's failure reason."""

    code: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """The bank cannot do it and never will: wrong state, unknown charge, a request it does not understand."""

    code: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody here can tell what the bank did: no answer, a cut connection, an error of its own."""

    reason: str


Known = Done | Declined | Refused
Outcome = Done | Declined | Refused | Unknown


def recorded(outcome: Known) -> dict[str, Any]:
    """What the operation's row keeps of it."""
    match outcome:
        case Done(document):
            return {"is": "done", "document": document}
        case Declined(code, document):
            return {"is": "declined", "code": code, "document": document}
        case Refused(code):
            return {"is": "refused", "code": code}
