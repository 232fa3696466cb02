"""Minor units of currencies, and amounts as people read them."""

from typing import Final

# Currencies whose minor unit is not a hundredth.
ZERO_DECIMAL: Final = frozenset(
    {
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga",
        "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf",
    }
)  # fmt: skip
THREE_DECIMAL: Final = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
_SYMBOLS: Final = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}


def decimals(currency: str) -> int:
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def shown(amount: int, currency: str) -> str:
    """`shown(1050, "usd")` is "$10.50", `shown(1050, "chf")` "10.50 CHF"; `amount` is not negative."""
    places = decimals(currency)
    whole, rest = divmod(amount, 10**places)
    number = f"{whole:,}.{rest:0{places}}" if places else f"{whole:,}"
    symbol = _SYMBOLS.get(currency)
    return f"{number} {currency.upper()}" if symbol is None else symbol + number
