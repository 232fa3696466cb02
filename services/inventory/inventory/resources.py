"""What the use cases work with; built once in main and in worker."""

from dataclasses import dataclass

from chassis.once import Once
from chassis.postgres import Pool

from inventory.problems import KeyInFlight, KeyReused
from inventory.settings import InventorySettings


@dataclass(frozen=True, slots=True)
class Resources:
    settings: InventorySettings
    db: Pool
    once: Once

    @classmethod
    def of(cls, settings: InventorySettings, pool: Pool) -> "Resources":
        once = Once(
            size_max=settings.replay_cache_size_max,
            ttl_s=settings.replay_cache_ttl_s,
            body_bytes_max=settings.replay_body_bytes_max,
            in_flight=KeyInFlight,
            mismatch=KeyReused,
        )
        return cls(settings, pool, once)
