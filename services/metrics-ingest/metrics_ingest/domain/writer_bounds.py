"""What the writer may hold, send and wait for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterBounds:
    # One request to the store: compressed, and unpacked (it refuses more than 32 MiB of its own accord).
    merge_bytes_max: int = 8 * 2**20
    merge_unpacked_bytes_max: int = 24 * 2**20
    # One fetch: all that a writer holds while the store is away.
    fetch_records_max: int = 512
    fetch_bytes_max: int = 8 * 2**20
    # Between two tries while the store is away.
    away_pause_max_s: float = 2.0
    # How long points may lie in the store without being safe, and how many a rewind may send again.
    barrier_every_s: float = 1.0
    barrier_points_max: int = 2_000_000
    # Dead letters that wait for the barrier with their bytes.
    barrier_dead_max: int = 32
    # The last barrier of a writer that leaves; without it others send those points again.
    finish_timeout_s: float = 5.0
    # A snapshot that a writer left behind when it was killed.
    snapshot_age_max_s: float = 3600.0
    snapshots_every_s: float = 60.0
    # The residue of all tenants, looked up for whoever alerts.
    housekeeping_every_s: float = 10.0
    canary_every_s: float = 5.0
    canary_poll_s: float = 0.25
    # The objective.
    canary_fresh_s: float = 5.0
    # Of the topic, a canary each.
    partitions: int = 6
    call_timeout_s: float = 5.0
    write_timeout_s: float = 15.0
    # Of one answer of the store to the writer.
    answer_bytes_max: int = 4 * 2**20
    calls_max: int = 16
