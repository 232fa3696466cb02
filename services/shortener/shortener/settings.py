"""What the shortener reads from its environment, on top of the chassis settings."""

from pathlib import Path

from chassis.settings import ChassisSettings
from pydantic import Field, SecretStr


class ShortenerSettings(ChassisSettings):
    """Frozen; built once in main or worker and passed down."""

    service_name: str = "shortener"
    public_base_url: str = "http://127.0.0.1:8010"
    shortener_id_key: SecretStr
    visitor_salt_key: SecretStr
    geoip_database: Path | None = None

    # Only `python -m shortener.seed` reads these.
    shortener_api_key: SecretStr | None = None
    shortener_api_key_2: SecretStr | None = None
    shortener_api_key_limited: SecretStr | None = None
    shortener_api_key_notifications: SecretStr | None = None

    # Tenants and limits.
    ip_rate_per_s: float = Field(default=5_000.0, gt=0)
    ip_burst: int = Field(default=20_000, ge=1)
    report_rate_per_s: float = Field(default=0.2, gt=0)
    report_burst: int = Field(default=10, ge=1)

    # Sizes.
    bulk_rows_max: int = Field(default=10_000, ge=1)
    bulk_body_bytes_max: int = Field(default=8 * 1024 * 1024, ge=1)
    import_batch_rows: int = Field(default=500, ge=1, le=5_000)
    import_line_bytes_max: int = Field(default=64 * 1024, ge=1)
    export_page_rows: int = Field(default=1_000, ge=1, le=10_000)
    code_attempts_max: int = Field(default=5, ge=2)
    stats_links_max: int = Field(default=100, ge=1)
    code_blocks_max: int = Field(default=32, ge=1)

    # Answers kept in process, so that a storm of one Idempotency-Key reaches the database once.
    replay_cache_size_max: int = Field(default=4_096, ge=0)
    replay_cache_ttl_s: float = Field(default=60.0, gt=0)
    replay_body_bytes_max: int = Field(default=16 * 1024, ge=0)

    # The redirect path (redirect, resolver, cache, rediswire).
    l1_entries_max: int = Field(default=32_768, ge=1)
    l1_negative_max: int = Field(default=4_096, ge=1)
    l1_ttl_s: float = Field(default=120.0, gt=0)  # jittered; invalidations arrive long before
    l1_negative_ttl_s: float = Field(default=5.0, gt=0)
    l1_uncovered_ttl_s: float = Field(default=1.0, gt=0)  # while no invalidation can reach this process
    l2_ttl_s: float = Field(default=21_600.0, gt=0)  # jittered
    l2_tombstone_ttl_s: float = Field(default=600.0, gt=0)
    wire_timeout_s: float = Field(default=0.03, gt=0)  # of one command: a silent Redis costs this once
    wire_handshake_timeout_s: float = Field(default=0.25, gt=0)
    wire_backoff_max_s: float = Field(default=0.5, gt=0)
    wire_pending_max: int = Field(default=8_192, ge=1)
    miss_lanes_max: int = Field(default=3, ge=1)  # queries of misses in flight
    miss_batch_max: int = Field(default=256, ge=1)
    miss_queue_max: int = Field(default=8_192, ge=1)
    miss_timeout_s: float = Field(default=0.3, gt=0)
    miss_cooldown_s: float = Field(default=0.5, gt=0)  # after a failed query, before the next try
    visit_timeout_s: float = Field(default=0.4, gt=0)
    visit_waiting_max: int = Field(default=16_384, ge=1)
    permanent_max_age_s: int = Field(default=300, ge=0)  # of a 301 or 308 (ADR-0015)
    slow_redirect_s: float = Field(default=1.0, gt=0)  # slower ones are logged whatever the sample says

    # Invalidations.
    invalidation_floor_max: int = Field(
        default=65_536, ge=1
    )  # revisions remembered against older cache values
    invalidation_sweep_s: float = Field(default=1.0, gt=0)
    invalidation_batch_max: int = Field(default=500, ge=1)
    invalidation_replay_s: float = Field(default=600.0, gt=0)  # retold to every Redis that comes back
    invalidation_heartbeat_s: float = Field(default=1.0, gt=0)
    invalidation_timeout_s: float = Field(default=2.0, gt=0)

    # Clicks: buffer, flush, aggregation.
    clicks_buffer_max: int = Field(default=100_000, ge=1)
    clicks_flush_s: float = Field(default=0.2, gt=0)
    clicks_record_max: int = Field(default=2_000, ge=1)  # clicks in one record
    clicks_unsent_records_max: int = Field(default=32, ge=1)
    clicks_buckets: int = Field(default=6, ge=1)
    clicks_send_timeout_s: float = Field(default=5.0, gt=0)
    clicks_drain_s: float = Field(default=5.0, gt=0)
    click_values_per_dimension_max: int = Field(
        default=100, ge=1
    )  # of one link and day; the rest is "(other)"
    visitors_kept_days: int = Field(default=3, ge=2)
    reap_every_s: float = Field(default=60.0, gt=0)
    reap_batch_max: int = Field(default=5_000, ge=1)
