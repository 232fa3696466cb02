"""Snapshots of killed writers go, younger ones stay; canaries reach every partition."""

from datetime import UTC, datetime

from chassis.kafka.partition import partition_of
from metrics_ingest.domain import accounting
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.usecases.canary import TENANT, Canary, keys_of
from metrics_ingest.usecases.housekeeping import drop_old_snapshots

from tests.support import remote_write

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Snapshots:
    def __init__(self, names: list[str]) -> None:
        self.names = names

    async def snapshots(self) -> list[str]:
        return list(self.names)

    async def delete_snapshot(self, name: str) -> None:
        self.names.remove(name)


async def test_only_snapshots_above_the_age_are_dropped() -> None:
    store = Snapshots(["20260301105959-1A", "20260301110001-1B", "20260301115959-1C", "by-hand"])
    assert await drop_old_snapshots(store, WriterBounds(snapshot_age_max_s=3600), NOW) == 1
    assert store.names == ["20260301110001-1B", "20260301115959-1C", "by-hand"]


def test_there_is_a_key_for_every_partition() -> None:
    assert [partition_of(key, 6) for key in keys_of(6)] == list(range(6))


def test_a_canary_is_a_batch_like_any_other() -> None:
    class Nowhere:
        """Neither sends nor answers: what would be sent is looked at."""

        async def send_many(self, records: object) -> list[object]:
            raise NotImplementedError

        async def query(self, tenant_id: str, expression: str, at_s: float) -> list[dict[str, object]]:
            raise NotImplementedError

    canary = Canary(Nowhere(), Nowhere(), WriterBounds(), instance="8200")  # type: ignore[arg-type]
    record = canary._record(next(keys_of(6)), 12_500)
    account = accounting.read(dict(record.headers).get)
    assert (account.tenant_id, account.received, account.accepted, account.storable) == (TENANT, 1, 1, 1)
    assert record.value is not None
    assert remote_write.read(remote_write.unsnap(record.value)) == [
        (
            {b"__name__": b"signalbox_canary_sent_ms", b"partition": b"0", b"writer": b"8200"},
            [(12_500, 12_500.0)],
        )
    ]
