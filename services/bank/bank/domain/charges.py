"""Charges and refunds as the book holds them, and how an authorisation turns into one."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bank.domain.cards import CARDS

GENERIC_DECLINE = "generic_decline"


class Status(StrEnum):
    AUTHORISED = "authorised"
    CAPTURED = "captured"
    VOIDED = "voided"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorisation:
    """What a merchant asks for; `capture` takes the money at once, `authenticated` says the holder agreed."""

    amount: int
    currency: str
    card: str
    capture: bool
    authenticated: bool
    reference: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Amounts in minor units: captured <= amount, refunded <= captured."""

    id: str
    idempotency_key: str
    amount: int
    captured: int
    refunded: int
    currency: str
    status: Status
    decline_code: str | None
    card: str
    reference: str | None
    created_at: datetime

    @classmethod
    def of(
        cls,
        wanted: Authorisation,
        *,
        charge_id: str,
        key: str,
        at: datetime,
        declined: bool = False,
    ) -> "Charge":
        """The issuer's answer; `declined` is a fault that says no whatever the card."""
        code = CARDS[wanted.card].refuses(authenticated=wanted.authenticated)
        if declined:
            code = GENERIC_DECLINE
        agreed = Status.CAPTURED if wanted.capture else Status.AUTHORISED
        status = agreed if code is None else Status.DECLINED
        return cls(
            id=charge_id,
            idempotency_key=key,
            amount=wanted.amount,
            captured=wanted.amount if status is Status.CAPTURED else 0,
            refunded=0,
            currency=wanted.currency,
            status=status,
            decline_code=code,
            card=wanted.card,
            reference=wanted.reference,
            created_at=at,
        )

    @property
    def refundable(self) -> int:
        return self.captured - self.refunded

    def rendered(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "idempotency_key": self.idempotency_key,
            "amount": self.amount,
            "captured": self.captured,
            "refunded": self.refunded,
            "currency": self.currency,
            "status": self.status,
            "decline_code": self.decline_code,
            "reference": self.reference,
            "created": int(self.created_at.timestamp()),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A failed one moves no money; `failure_reason` says why."""

    id: str
    charge_id: str
    idempotency_key: str
    amount: int
    failure_reason: str | None
    reference: str | None
    created_at: datetime

    @property
    def status(self) -> str:
        return "succeeded" if self.failure_reason is None else "failed"

    def rendered(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "charge": self.charge_id,
            "amount": self.amount,
            "status": self.status,
            "failure_reason": self.failure_reason,
            "reference": self.reference,
            "created": int(self.created_at.timestamp()),
        }
