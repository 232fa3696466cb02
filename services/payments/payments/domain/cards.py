"""The test cards, the only cards there are: by pm_card_ name, by tok_ name, by number."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from payments.domain.card import Authentication, Card

__all__ = [
    "CARDS",
    "Authentication",
    "Card",
    "by_name",
    "by_number",
    "by_payment_method",
    "by_token",
    "bypasses_pending",
]

PAYMENT_METHOD_PREFIX: Final = "pm_card_"
TOKEN_PREFIX: Final = "tok_"  # noqa: S105 the word before a test card's name

_VISA: Final = "bank_visa"
_MASTERCARD: Final = "bank_mastercard"

# name, number, brand, country, funding
_ACCEPTED: Final = (
    ("visa", "4242424242424242", "visa", "US", "credit"),
    ("visa_debit", "4000056655665556", "visa", "US", "debit"),
    ("mastercard", "5555555555554444", "mastercard", "US", "credit"),
    ("mastercard_2series", "2223003122003222", "mastercard", "US", "credit"),
    ("mastercard_debit", "5200828282828210", "mastercard", "US", "debit"),
    ("mastercard_prepaid", "5105105105105100", "mastercard", "US", "prepaid"),
    ("amex", "378282246310005", "amex", "US", "credit"),
    ("amex_2", "371449635398431", "amex", "US", "credit"),
    ("discover", "6011111111111117", "discover", "US", "credit"),
    ("discover_2", "6011000990139424", "discover", "US", "credit"),
    ("discover_debit", "6011981111111113", "discover", "US", "debit"),
    ("diners", "3056930009020004", "diners", "US", "credit"),
    ("diners_14digits", "36227206271667", "diners", "US", "credit"),
    ("bccard", "6555900000604105", "discover", "KR", "credit"),
    ("jcb", "3566002020360505", "jcb", "US", "credit"),
    ("unionpay", "6200000000000005", "unionpay", "CN", "credit"),
    ("unionpay_debit", "6200000000000047", "unionpay", "CN", "debit"),
    ("us", "4242424242424242", "visa", "US", "credit"),
    ("br", "4000000760000002", "visa", "BR", "credit"),
    ("ca", "4000001240000000", "visa", "CA", "credit"),
    ("mx", "4000004840008001", "visa", "MX", "credit"),
    ("ae", "4000007840000001", "visa", "AE", "credit"),
    ("at", "4000000400000008", "visa", "AT", "credit"),
    ("be", "4000000560000004", "visa", "BE", "credit"),
    ("bg", "4000001000000000", "visa", "BG", "credit"),
    ("by", "4000001120000005", "visa", "BY", "credit"),
    ("hr", "4000001910000009", "visa", "HR", "credit"),
    ("cy", "4000001960000008", "visa", "CY", "credit"),
    ("cz", "4000002030000002", "visa", "CZ", "credit"),
    ("dk", "4000002080000001", "visa", "DK", "credit"),
    ("ee", "4000002330000009", "visa", "EE", "credit"),
    ("fi", "4000002460000001", "visa", "FI", "credit"),
    ("fr", "4000002500000003", "visa", "FR", "credit"),
    ("de", "4000002760000016", "visa", "DE", "credit"),
    ("gi", "4000002920000005", "visa", "GI", "credit"),
    ("gr", "4000003000000030", "visa", "GR", "credit"),
    ("hu", "4000003480000005", "visa", "HU", "credit"),
    ("ie", "4000003720000005", "visa", "IE", "credit"),
    ("it", "4000003800000008", "visa", "IT", "credit"),
    ("lv", "4000004280000005", "visa", "LV", "credit"),
    ("li", "4000004380000004", "visa", "LI", "credit"),
    ("lt", "4000004400000000", "visa", "LT", "credit"),
    ("lu", "4000004420000006", "visa", "LU", "credit"),
    ("mt", "4000004700000007", "visa", "MT", "credit"),
    ("nl", "4000005280000002", "visa", "NL", "credit"),
    ("no", "4000005780000007", "visa", "NO", "credit"),
    ("pl", "4000006160000005", "visa", "PL", "credit"),
    ("pt", "4000006200000007", "visa", "PT", "credit"),
    ("ro", "4000006420000001", "visa", "RO", "credit"),
    ("sa", "4000006820000007", "visa", "SA", "credit"),
    ("si", "4000007050000006", "visa", "SI", "credit"),
    ("sk", "4000007030000001", "visa", "SK", "credit"),
    ("es", "4000007240000007", "visa", "ES", "credit"),
    ("se", "4000007520000008", "visa", "SE", "credit"),
    ("ch", "4000007560000009", "visa", "CH", "credit"),
    ("gb", "4000008260000000", "visa", "GB", "credit"),
    ("gb_debit", "4000058260000005", "visa", "GB", "debit"),
    ("gb_mastercard", "5555558265554449", "mastercard", "GB", "credit"),
    ("au", "4000000360000006", "visa", "AU", "credit"),
    ("cn", "4000001560000002", "visa", "CN", "credit"),
    ("hk", "4000003440000004", "visa", "HK", "credit"),
    ("in", "4000003560000008", "visa", "IN", "credit"),
    ("jp", "4000003920000003", "visa", "JP", "credit"),
    ("jp_jcb", "3530111333300000", "jcb", "JP", "credit"),
    ("my", "4000004580000002", "visa", "MY", "credit"),
    ("nz", "4000005540000008", "visa", "NZ", "credit"),
    ("sg", "4000007020000003", "visa", "SG", "credit"),
    ("tw", "4000001580000008", "visa", "TW", "credit"),
    ("th_credit", "4000007640000003", "visa", "TH", "credit"),
    ("th_debit", "4000057640000008", "visa", "TH", "debit"),
)

# name, number, country: the merchant has their money at once
_BYPASSING: Final = (
    ("bypassPending", "4000000000000077", "US"),
    ("bypassPendingInternational", "4000003720000278", "IE"),
)

# name without "chargeDeclined", number, bank token, the bank's decline code
_DECLINED: Final = (
    ("", "4000000000000002", "bank_declined", "generic_decline"),
    ("InsufficientFunds", "4000000000009995", "bank_insufficient_funds", "insufficient_funds"),
    ("LostCard", "4000000000009987", "bank_lost_card", "lost_card"),
    ("StolenCard", "4000000000009979", "bank_stolen_card", "stolen_card"),
    ("ExpiredCard", "4000000000000069", "bank_expired_card", "expired_card"),
    ("IncorrectCvc", "4000000000000127", "bank_incorrect_cvc", "incorrect_cvc"),
    ("ProcessingError", "4000000000000119", "bank_processing_error", "processing_error"),
)

# name, number, bank token, authentication
_AUTHENTICATED: Final = (
    ("authenticationRequired", "4000002760003184", "bank_auth_required", Authentication.ALWAYS),
    (
        "authenticationRequiredOnSetup",
        "4000002500003155",
        "bank_auth_required",
        Authentication.UNTIL_SET_UP,
    ),
    (
        "authenticationRequiredSetupForOffSession",
        "4000003800000446",
        "bank_auth_required",
        Authentication.ON_SESSION,
    ),
    (
        "authenticationRequiredChargeDeclinedInsufficientFunds",
        "4000008260003178",
        "bank_insufficient_funds",
        Authentication.ALWAYS,
    ),
    ("threeDSecure2Required", "4000000000003220", "bank_auth_required", Authentication.ALWAYS),
    ("threeDSecureRequired", "4000000000003063", "bank_auth_required", Authentication.ALWAYS),
    (
        "threeDSecureRequiredChargeDeclined",
        "4000008400001629",
        "bank_declined",
        Authentication.ALWAYS,
    ),
    (
        "threeDSecureRequiredProcessingError",
        "4000008400001280",
        "bank_processing_error",
        Authentication.ALWAYS,
    ),
    ("threeDSecureOptional", "4000000000003055", _VISA, Authentication.NEVER),
)

# name, number, the check that fails
_FAILED_CHECKS: Final = (
    ("avsLine1Fail", "4000000000000028", "address_line1_check"),
    ("avsZipFail", "4000000000000036", "address_postal_code_check"),
    ("cvcCheckFail", "4000000000000101", "cvc_check"),
)

# Faults of the bank that a test can call up by card; these names and numbers are our own.
_FAULTS: Final = (
    ("bankSlow", "4000009990000013", "bank_slow"),
    ("bankHang", "4000009990000021", "bank_hang"),
    ("bankError", "4000009990000039", "bank_error"),
    ("bankReset", "4000009990000047", "bank_reset"),
    ("bankReplyLost", "4000009990000054", "bank_reply_lost"),
    ("bankOutage", "4000009990000062", "bank_outage"),
)


def _declined(name: str, number: str, bank_token: str, code: str) -> Card:
    alias = f"visa_chargeDeclined{name}"
    return Card(
        f"chargeDeclined{name}", number, bank_token, "visa", declines_on_attach=code, aliases=(alias,)
    )


def _all() -> tuple[Card, ...]:
    return (
        *(
            Card(name, number, _MASTERCARD if brand == "mastercard" else _VISA, brand, country, funding)
            for name, number, brand, country, funding in _ACCEPTED
        ),
        *(_declined(*row) for row in _DECLINED),
        Card("chargeCustomerFail", "4000000000000341", "bank_declined", "visa"),
        Card(
            "radarBlock",
            "4100000000000019",
            "bank_fraudulent",
            "visa",
            aliases=("chargeDeclinedFraudulent", "visa_chargeDeclinedFraudulent"),
        ),
        Card("refundFail", "4000000000005126", "bank_refund_fails", "visa"),
        *(Card(name, number, _VISA, "visa", country) for name, number, country in _BYPASSING),
        *(
            Card(name, number, token, "visa", authentication=when)
            for name, number, token, when in _AUTHENTICATED
        ),
        *(Card(name, number, _VISA, "visa", failed_check=check) for name, number, check in _FAILED_CHECKS),
        *(Card(name, number, token, "visa") for name, number, token in _FAULTS),
    )


CARDS: Final = _all()
_BY_NAME: Final[Mapping[str, Card]] = MappingProxyType(
    {name: card for card in CARDS for name in (card.name, *card.aliases)}
)
# Backwards, so that of two cards with one number the first is found.
_BY_NUMBER: Final[Mapping[str, Card]] = MappingProxyType({card.number: card for card in reversed(CARDS)})


def bypasses_pending(last4: str) -> bool:
    """Whether what a card of these digits pays is available at once."""
    return any(number.endswith(last4) for _, number, _ in _BYPASSING)


def by_name(name: str) -> Card:
    """The card that is stored under its name; raises KeyError."""
    return _BY_NAME[name]


def by_payment_method(reference: str) -> Card | None:
    """`pm_card_visa` and its like."""
    if not reference.startswith(PAYMENT_METHOD_PREFIX):
        return None
    return _BY_NAME.get(reference.removeprefix(PAYMENT_METHOD_PREFIX))


def by_token(reference: str) -> Card | None:
    """`tok_visa` and its like."""
    if not reference.startswith(TOKEN_PREFIX):
        return None
    return _BY_NAME.get(reference.removeprefix(TOKEN_PREFIX))


def by_number(number: str) -> Card | None:
    """One of the published test numbers, digits only."""
    return _BY_NUMBER.get(number)
