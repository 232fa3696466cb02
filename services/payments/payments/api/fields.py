"""Fields that several nouns take: addresses, shipping, e-mail addresses."""

import re
from dataclasses import dataclass
from typing import Final

from payments.dialect.errors import InvalidRequest
from payments.dialect.form import Raw
from payments.dialect.params import Field, Hash, Text

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")
_INVOICE_PREFIX: Final = re.compile(r"[A-Z0-9]{1,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Email(Text):
    max: int = 512

    def parse(self, raw: Raw, name: str) -> str:
        text = Text.parse(self, raw, name)
        if _EMAIL.fullmatch(text) is None:
            raise InvalidRequest(f"Invalid email address: {text}", name, "email_invalid")
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePrefix(Text):
    def parse(self, raw: Raw, name: str) -> str:
        text = Text.parse(self, raw, name)
        if _INVOICE_PREFIX.fullmatch(text) is None:
            raise InvalidRequest(f"Invalid {name}: must be 1 to 12 uppercase letters or numbers.", name)
        return text


ADDRESS: Final[dict[str, Field]] = {
    name: Text(nullable=True) for name in ("city", "country", "line1", "line2", "postal_code", "state")
}
SHIPPING: Final[dict[str, Field]] = {
    "address": Hash(ADDRESS, required=True),
    "carrier": Text(nullable=True),
    "name": Text(required=True),
    "phone": Text(nullable=True),
    "tracking_number": Text(nullable=True),
}
BILLING_DETAILS: Final[dict[str, Field]] = {
    "address": Hash(ADDRESS, nullable=True),
    "email": Email(nullable=True),
    "name": Text(nullable=True),
    "phone": Text(nullable=True),
    "tax_id": Text(nullable=True),
}
