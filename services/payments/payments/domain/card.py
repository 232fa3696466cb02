"""A card of the test mode: what it shows, what the bank knows it by, when its holder must authenticate."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_FINGERPRINT_DIGITS: Final = 16
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Authentication(StrEnum):
    """When the card's holder must prove who they are."""

    NEVER = "never"
    # Until a setup intent succeeded with it: off-session payments pass afterwards, others still ask.
    UNTIL_SET_UP = "until_set_up"
    # As if it had been set up before it came to us.
    ON_SESSION = "on_session"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Card:
    """`bank_token` is what the bank knows it by; `declines_on_attach` a bank's decline code, or None."""

    name: str
    number: str
    bank_token: str
    brand: str
    country: str = "US"
    funding: str = "credit"
    authentication: Authentication = Authentication.NEVER
    declines_on_attach: str | None = None
    failed_check: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def cvc_digits(self) -> int:
        return 4 if self.brand == "amex" else 3

    def needs_authentication(self, *, off_session: bool, set_up: bool) -> bool:
        """Whether a payment stops at `requires_action` first; `set_up`: a setup intent succeeded with it."""
        match self.authentication:
            case Authentication.ALWAYS:
                return True
            case Authentication.UNTIL_SET_UP:
                return not (off_session and set_up)
            case Authentication.ON_SESSION:
                return not off_session
        return False

    @property
    def needs_authentication_to_set_up(self) -> bool:
        return self.authentication in (Authentication.ALWAYS, Authentication.UNTIL_SET_UP)


def passes_luhn(number: str) -> bool:
    """Whether a string of digits ends in the check digit it should (ISO/IEC 7812)."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled  # noqa: PLR2004 the sum of its two digits
    return total % 10 == 0


def fingerprint(account_id: str, card: Card) -> str:
    """The same for one number within an account, and of no use to another account."""
    digest = hashlib.sha256(f"{account_id}:{card.number}".encode()).digest()
    return "".join(_BASE62[byte % 62] for byte in digest[:_FINGERPRINT_DIGITS])
