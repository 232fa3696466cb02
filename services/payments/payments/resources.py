"""What the use cases work with; built once in main and in worker."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chassis.once import Once
from chassis.postgres import Pool

from payments.bank import Bank
from payments.clock import Clock
from payments.dialect.expand import Noun
from payments.settings import PaymentsSettings


@dataclass(frozen=True, slots=True)
class Resources:
    settings: PaymentsSettings
    db: Pool
    clock: Clock
    once: Once
    bank: Bank
    nouns: Mapping[str, Noun] = field(default_factory=dict)
