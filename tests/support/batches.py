"""Records of metrics-ingest's topic, as its receivers send them."""

import json
import uuid
from collections.abc import Mapping, Sequence

from chassis.kafka import Message, Record

from tests.support import remote_write

TOPIC = "metrics-ingest.batches-accepted.v1"


def headers(
    tenant: str,
    accepted: int,
    *,
    rejected: Mapping[str, int] | None = None,
    dead: Mapping[str, int] | None = None,
) -> tuple[tuple[str, bytes], ...]:
    received = accepted + sum((rejected or {}).values())
    return (
        ("ce_id", str(uuid.uuid4()).encode()),
        ("tenant", tenant.encode()),
        ("protocol", b"test"),
        ("received", str(received).encode()),
        ("accepted", str(accepted).encode()),
        ("samples", str(accepted).encode()),
        ("rejected", json.dumps(rejected or {}).encode()),
        ("dead", json.dumps(dead or {}).encode()),
    )


def block(name: str, samples: Sequence[tuple[int, float]], **labels: str) -> bytes:
    """A message of one series."""
    pairs = sorted({"__name__": name, **labels}.items())
    return remote_write.snap(remote_write.request([remote_write.series(pairs, samples)]))


def record(
    tenant: str, name: str, samples: Sequence[tuple[int, float]], *, key: str, **labels: str
) -> Record:
    return Record(TOPIC, key.encode(), block(name, samples, **labels), headers(tenant, len(samples)))


def message(
    offset: int,
    value: bytes | None,
    told: tuple[tuple[str, bytes], ...],
    *,
    partition: int = 0,
    timestamp_ms: int = 0,
) -> Message:
    return Message(TOPIC, partition, offset, b"key", value, told, timestamp_ms)
