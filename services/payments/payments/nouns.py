"""Every kind of object that an answer may hold or expand to."""

from collections.abc import Mapping

from payments.clock import Clock
from payments.dialect.expand import Noun
from payments.usecases import balances


def nouns_of(clock: Clock) -> Mapping[str, Noun]:
    """By name."""
    nouns = (balances.noun_of(clock),)
    return {noun.name: noun for noun in nouns}
