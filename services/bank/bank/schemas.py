"""What merchants and operators send and get, as JSON."""

from typing import Annotated, Any, Final

from chassis.problems import Text
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StringConstraints

from bank.domain.cards import CARDS
from bank.domain.charges import Authorisation, Status
from bank.domain.faults import HANG_DELAY_MS_MAX, Fault, FaultKind

AMOUNT_MAX: Final = 999_999_999_999

Amount = Annotated[StrictInt, Field(ge=1, le=AMOUNT_MAX, description="In minor units.", examples=[2_000])]
Currency = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{3}$"),
    Field(description="ISO 4217, small letters.", examples=["eur"]),
]
Reference = Annotated[Text, Field(max_length=255, description="The merchant's own word for it.")]


def _known_card(token: str) -> str:
    if token not in CARDS:
        raise ValueError("is not a card this processor knows")
    return token


CardToken = Annotated[str, AfterValidator(_known_card), Field(examples=["bank_visa"])]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChargeIn(_In):
    amount: Amount
    currency: Currency
    card: CardToken
    capture: StrictBool = Field(default=True, description="Take the money at once.")
    authenticated: StrictBool = Field(default=False, description="The holder has agreed to this payment.")
    reference: Reference | None = None

    def wanted(self) -> Authorisation:
        return Authorisation(
            amount=self.amount,
            currency=self.currency,
            card=self.card,
            capture=self.capture,
            authenticated=self.authenticated,
            reference=self.reference,
        )


class CaptureIn(_In):
    amount: Amount


class VoidIn(_In):
    """No members."""


class RefundIn(_In):
    amount: Amount
    reference: Reference | None = None


class ChargeOut(BaseModel):
    id: str
    idempotency_key: str
    amount: int
    captured: int
    refunded: int
    currency: str
    status: Status
    decline_code: str | None
    reference: str | None
    created: int


class RefundOut(BaseModel):
    id: str
    charge: str
    amount: int
    status: str
    failure_reason: str | None
    reference: str | None
    created: int


class BookOut(BaseModel):
    charges: list[ChargeOut]
    has_more: bool


class FaultIn(_In):
    kind: FaultKind
    probability: float = Field(default=1.0, ge=0, le=1, allow_inf_nan=False)
    delay_ms: StrictInt | None = Field(default=None, ge=0, le=HANG_DELAY_MS_MAX)

    def fault(self) -> Fault:
        return Fault(self.kind, self.probability, self.delay_ms)


class FaultOut(BaseModel):
    """`kind` is null while no fault is in force."""

    kind: FaultKind | None
    probability: float
    delay_ms: int | None

    @classmethod
    def of(cls, fault: Fault | None) -> dict[str, Any]:
        if fault is None:
            return {"kind": None, "probability": 0.0, "delay_ms": None}
        return {"kind": fault.kind, "probability": fault.probability, "delay_ms": fault.delay_ms}
