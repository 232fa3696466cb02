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

    # Tenants and limits.
    key_cache_ttl_s: float = Field(default=30.0, gt=0)
    key_cache_size_max: int = Field(default=10_000, ge=1)
    ip_rate_per_s: float = Field(default=5_000.0, gt=0)
    ip_burst: int = Field(default=20_000, ge=1)
    report_rate_per_s: float = Field(default=0.2, gt=0)
    report_burst: int = Field(default=10, ge=1)
    quota_shards: int = Field(default=16, ge=1, le=256)

    # Sizes.
    bulk_rows_max: int = Field(default=10_000, ge=1)
    bulk_body_bytes_max: int = Field(default=8 * 1024 * 1024, ge=1)
    import_batch_rows: int = Field(default=500, ge=1, le=5_000)
    import_line_bytes_max: int = Field(default=64 * 1024, ge=1)
    export_page_rows: int = Field(default=1_000, ge=1, le=10_000)
    code_attempts_max: int = Field(default=5, ge=1)
    code_blocks_max: int = Field(default=32, ge=1)

    # Answers kept in process, so that a storm of one Idempotency-Key reaches the database once.
    replay_cache_size_max: int = Field(default=4_096, ge=0)
    replay_cache_ttl_s: float = Field(default=60.0, gt=0)
    replay_body_bytes_max: int = Field(default=16 * 1024, ge=0)
