"""What a writer that was killed leaves behind in the store."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from metrics_ingest.domain.writer_bounds import WriterBounds


class Snapshots(Protocol):
    async def snapshots(self) -> list[str]: ...
    async def delete_snapshot(self, name: str) -> None: ...


async def drop_old_snapshots(store: Snapshots, bounds: WriterBounds, now: datetime | None = None) -> int:
    """Snapshots hold files that the store would have merged away; a barrier needs its own for moments.

    Those of an operator live as long: `snapshot_age_max_s` must be above the time that a backup takes.
    Raises `StoreAway`.
    """
    oldest = (now or datetime.now(UTC)) - timedelta(seconds=bounds.snapshot_age_max_s)
    dropped = 0
    for name in await store.snapshots():
        made_at = _made_at(name)
        if made_at is not None and made_at < oldest:
            await store.delete_snapshot(name)
            dropped += 1
    return dropped


def _made_at(name: str) -> datetime | None:
    try:
        return datetime.strptime(name.partition("-")[0], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
