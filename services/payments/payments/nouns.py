"""Every kind of object that an answer may hold or expand to."""

from collections.abc import Mapping

from payments.clock import Clock
from payments.dialect.expand import Noun
from payments.usecases import (
    balances,
    charges,
    customers,
    payment_intents,
    payment_methods,
    refunds,
    setup_intents,
)


def nouns_of(clock: Clock) -> Mapping[str, Noun]:
    """By name."""
    nouns = (
        balances.noun_of(clock),
        charges.NOUN,
        customers.NOUN,
        payment_intents.NOUN,
        payment_methods.NOUN,
        refunds.NOUN,
        setup_intents.NOUN,
    )
    return {noun.name: noun for noun in nouns}
