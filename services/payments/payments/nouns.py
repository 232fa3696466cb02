"""Every kind of object that an answer may hold or expand to; a use case file exports its `NOUN`."""

from collections.abc import Mapping
from typing import Final

from payments.dialect.expand import Noun


def _by_name(*nouns: Noun) -> dict[str, Noun]:
    return {noun.name: noun for noun in nouns}


NOUNS: Final[Mapping[str, Noun]] = _by_name()
