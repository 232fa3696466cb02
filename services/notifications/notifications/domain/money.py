"""Amounts as people read them."""

from typing import Final

# Currencies whose minor unit is not a hundredth, as the card networks count them.
_ZERO_DECIMAL: Final = frozenset(
    {
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga",
        "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf",
    }
)  # fmt: skip
_THREE_DECIMAL: Final = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})


def written(amount: int, currency: str) -> str:
    """`written(1999, "eur")` is "19.99 EUR"; `amount` is not negative."""
    currency = currency.lower()
    places = 0 if currency in _ZERO_DECIMAL else 3 if currency in _THREE_DECIMAL else 2
    whole, rest = divmod(amount, 10**places)
    number = f"{whole:,}.{rest:0{places}}" if places else f"{whole:,}"
    return f"{number} {currency.upper()}"
