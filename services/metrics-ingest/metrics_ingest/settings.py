"""What metrics-ingest reads from its environment, on top of the chassis settings."""

from chassis.settings import MIB, ChassisSettings
from pydantic import Field, SecretStr


class MetricsSettings(ChassisSettings):
    """Frozen; built once in main, worker or seed and passed down.

    What a tenant may send stands in its row (domain.tenants); these bound what the process takes for all.
    """

    service_name: str = "metrics-ingest"
    victoriametrics_url: str = "http://127.0.0.1:18428"

    # Only `python -m metrics_ingest.seed` reads these.
    metrics_api_key: SecretStr | None = None
    metrics_api_key_2: SecretStr | None = None
    metrics_api_key_stack: SecretStr | None = None

    # Tenants, kept for when Postgres is away.
    tenant_lookup_timeout_s: float = Field(default=2.0, gt=0)
    tenant_kept_s: float = Field(default=3600.0, gt=0)
    tenants_kept_max: int = Field(default=10_000, ge=1)
    # A burst of so many seconds' points; a slice is bought of the shared limiter at a time.
    points_burst_s: float = Field(default=2.0, gt=0)
    points_slice_s: float = Field(default=0.02, gt=0)
    refusal_stands_s: float = Field(default=1.0, gt=0)

    # Bodies: one, all large ones that are being read or worked on, all that are unpacked at once.
    ingest_body_bytes_max: int = Field(default=64 * MIB, ge=1)
    bodies_bytes_max: int = Field(default=24 * MIB, ge=1)
    body_read_timeout_s: float = Field(default=20.0, gt=0)
    unpacked_at_once_bytes_max: int = Field(default=24 * MIB, ge=1)
    memory_wait_s: float = Field(default=10.0, gt=0)
    memory_waiting_max: int = Field(default=64, ge=1)
    query_parameters_max: int = Field(default=50, ge=1)

    # Series, verdicts (domain.bounds).
    future_limit_s: int = Field(default=600, ge=0)
    series_idle_s: int = Field(default=3600, ge=60)
    known_series_max: int = Field(default=1_000_000, ge=1)
    registry_wait_s: float = Field(default=5.0, gt=0)
    registry_turn_s: float = Field(default=10.0, gt=0)
    registry_flush_timeout_s: float = Field(default=5.0, gt=0)
    record_bytes_max: int = Field(default=MIB, ge=64 * 1024, le=MIB)  # the topic allows half as much again
    cardinality_names_max: int = Field(default=20, ge=1)

    # The log.
    ack_timeout_s: float = Field(default=5.0, gt=0)
    unacked_bytes_max: int = Field(default=32 * MIB, ge=MIB)
    unacked_records_max: int = Field(default=10_000, ge=1)
    retry_after_min_s: int = Field(default=1, ge=1)
    retry_after_max_s: int = Field(default=5, ge=1)

    # The writer; what it holds and waits for stands in domain.writer_bounds.
    barrier_every_s: float = Field(default=1.0, gt=0)
    barrier_points_max: int = Field(default=2_000_000, ge=1)
    snapshot_age_max_s: float = Field(default=3600.0, ge=60)
    canary_every_s: float = Field(default=5.0, gt=0)
    batches_partitions: int = Field(default=6, ge=1)

    # StatsD.
    statsd_host: str = "127.0.0.1"
    statsd_port: int | None = Field(default=None, ge=0, le=65535)
    statsd_fd: int | None = Field(default=None, ge=0)  # of a socket that is held for all replicas
    statsd_tenant: str = "demo"
    statsd_window_s: float = Field(default=1.0, gt=0)
    statsd_lines_max: int = Field(default=30_000, ge=1)
    statsd_buffer_bytes: int = Field(default=4 * MIB, ge=4096)
    statsd_flush_timeout_s: float = Field(default=10.0, gt=0)
    statsd_series_max: int = Field(default=20_000, ge=1)
    statsd_members_max: int = Field(default=100_000, ge=1)
    statsd_label_bytes_max: int = Field(default=8 * MIB, ge=1)
    statsd_refresh_s: float = Field(default=60.0, gt=0)
    statsd_idle_s: float = Field(default=300.0, gt=0)

    # Queries (domain.questions): one, and all at once.
    query_timeout_s: float = Field(default=4.0, gt=0, lt=5)  # a store that hangs is told of within 5 s
    query_position_wait_s: float = Field(default=3.0, gt=0)  # of the above, for `min_position`
    query_position_poll_s: float = Field(default=0.05, gt=0)
    query_bytes_max: int = Field(default=12_288, ge=1, le=16_384)  # the store takes 16 KiB
    query_matches_max: int = Field(default=32, ge=1)
    query_points_max: int = Field(default=11_000, ge=1)  # of one series, as in Prometheus
    query_range_s_max: int = Field(default=400 * 86_400, ge=1)
    query_series_max: int = Field(default=10_000, ge=1)
    query_answer_bytes_max: int = Field(default=16 * MIB, ge=MIB)
    queries_at_once_max: int = Field(default=8, ge=1)  # the store works on four or so
    queries_waiting_max: int = Field(default=200, ge=0)

    # Rollups, evaluated by one writer.
    rollup_every_s: float = Field(default=60.0, gt=0)
    rollup_recheck_s: float = Field(default=900.0, gt=0)  # between two looks at the whole late window
    rollup_grace_s: float = Field(default=30.0, ge=0)  # after a window's end, before it is first evaluated
    rollup_lease_s: float = Field(default=60.0, gt=0)
    rollup_timeout_s: float = Field(default=20.0, gt=0)  # of one question to the store
    rollup_answer_bytes_max: int = Field(default=8 * MIB, ge=MIB)  # larger ones are asked for in halves
    rollup_batch_max: int = Field(default=200, ge=1)  # metrics a turn
    rollups_per_tenant_max: int = Field(default=20, ge=1)
