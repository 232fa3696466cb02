"""What a refusal of the bank is called in the API: code, decline_code, message and the parameter at fault."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Decline:
    """`decline_code` is None where the code itself says all, as for a wrong security code."""

    code: str
    decline_code: str | None
    message: str
    param: str | None = None


_DECLINED = "Your card was declined."

_BY_BANK_CODE: Mapping[str, Decline] = MappingProxyType(
    {
        "generic_decline": Decline("card_declined", "generic_decline", _DECLINED),
        "insufficient_funds": Decline(
            "card_declined", "insufficient_funds", "Your card has insufficient funds."
        ),
        "lost_card": Decline("card_declined", "lost_card", _DECLINED),
        "stolen_card": Decline("card_declined", "stolen_card", _DECLINED),
        "fraudulent": Decline("card_declined", "fraudulent", _DECLINED),
        "expired_card": Decline("expired_card", None, "Your card has expired.", "exp_month"),
        "incorrect_cvc": Decline("incorrect_cvc", None, "Your card's security code is incorrect.", "cvc"),
        "processing_error": Decline(
            "processing_error",
            None,
            "An error occurred while processing your card. Try again in a little bit.",
        ),
        "authentication_required": Decline(
            "authentication_required",
            "authentication_required",
            "Your card was declined. This transaction requires authentication.",
        ),
    }
)


def decline_of(bank_code: str | None) -> Decline:
    """The bank's `decline_code` in the API's words; one we do not know is a generic decline."""
    return _BY_BANK_CODE.get(bank_code or "", _BY_BANK_CODE["generic_decline"])
