"""The cards this processor knows: what the issuer says, and the faults some of them bring along."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bank.domain.faults import Fault, FaultKind

AUTHENTICATION_REQUIRED: Final = "authentication_required"


@dataclass(frozen=True, slots=True)
class Card:
    """A token's behaviour; `fault` strikes the first attempt of each key only."""

    decline_code: str | None = None
    needs_authentication: bool = False
    refund_failure: str | None = None
    fault: Fault | None = None

    def refuses(self, *, authenticated: bool) -> str | None:
        """The decline code of an authorisation; None when the issuer agrees."""
        if self.needs_authentication and not authenticated:
            return AUTHENTICATION_REQUIRED
        return self.decline_code


CARDS: Final = MappingProxyType(
    {
        "bank_visa": Card(),
        "bank_mastercard": Card(),
        "bank_declined": Card(decline_code="generic_decline"),
        "bank_insufficient_funds": Card(decline_code="insufficient_funds"),
        "bank_lost_card": Card(decline_code="lost_card"),
        "bank_stolen_card": Card(decline_code="stolen_card"),
        "bank_expired_card": Card(decline_code="expired_card"),
        "bank_incorrect_cvc": Card(decline_code="incorrect_cvc"),
        "bank_processing_error": Card(decline_code="processing_error"),
        "bank_fraudulent": Card(decline_code="fraudulent"),
        "bank_auth_required": Card(needs_authentication=True),
        "bank_refund_fails": Card(refund_failure="expired_or_canceled_card"),
        "bank_slow": Card(fault=Fault(FaultKind.SLOW)),
        "bank_hang": Card(fault=Fault(FaultKind.HANG)),
        "bank_error": Card(fault=Fault(FaultKind.ERROR)),
        "bank_reset": Card(fault=Fault(FaultKind.RESET)),
        "bank_reply_lost": Card(fault=Fault(FaultKind.REPLY_LOST)),
        "bank_outage": Card(fault=Fault(FaultKind.OUTAGE)),
    }
)
