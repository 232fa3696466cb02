"""The settings every process shares, read once from the environment and from secret files."""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

MIB = 1024 * 1024


class ChassisSettings(BaseSettings):
    """Fields are environment variables of the same name in capitals.

    A file of that name under SECRETS_DIR (default /run/secrets) stands in for any of them. A variable wins
    over a file, an empty one counts as unset.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    service_name: str = "service"
    service_version: str = "0.1.0"
    environment: str = "local"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    access_log: Literal["all", "sampled", "errors"] = "all"

    # HTTP server
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=0, le=65535)
    http_public_fd: int | None = Field(default=None, ge=0)
    http_backlog: int = Field(default=4096, ge=1)
    http_trusted_proxies: str = ""  # addresses whose X-Forwarded-For is believed, comma-separated
    http_keepalive_s: float = Field(default=75.0, gt=0)
    drain_s: float = Field(default=1.0, ge=0)
    shutdown_timeout_s: float = Field(default=15.0, gt=0)
    worker_drain_timeout_s: float = Field(default=20.0, gt=0)
    body_bytes_max: int = Field(default=MIB, ge=0)
    request_timeout_s: float = Field(default=30.0, gt=0)

    # Load shedding: what runs at once, what may wait, and for how long.
    inflight_max: int = Field(default=256, ge=1)
    inflight_min: int = Field(default=16, ge=1)
    shed_queue_max: int = Field(default=16_384, ge=0)
    shed_queue_timeout_s: float = Field(default=15.0, gt=0)
    shed_overload_timeout_s: float = Field(default=1.0, gt=0)
    shed_retry_after_s: int = Field(default=1, ge=1)

    # Postgres
    database_url: str = "postgresql://postgres@127.0.0.1:5432/postgres"
    database_password: SecretStr | None = None
    database_pool_min: int = Field(default=1, ge=0)
    database_pool_max: int = Field(default=10, ge=1)
    database_timeout_s: float = Field(default=5.0, gt=0)

    # Redis
    redis_url: str = "redis://127.0.0.1:6379/0"
    redis_password: SecretStr | None = None
    redis_timeout_s: float = Field(default=0.05, gt=0)
    redis_connections_max: int = Field(default=16, ge=1)

    kafka_bootstrap: str = "127.0.0.1:9092"

    # Callers
    admin_api_key: SecretStr | None = None
    key_cache_ttl_s: float = Field(default=30.0, gt=0)
    key_cache_negative_ttl_s: float = Field(default=2.0, gt=0)
    key_cache_size_max: int = Field(default=10_000, ge=1)
    ratelimit_local_size_max: int = Field(default=10_000, ge=1)

    # Traces
    otel_exporter_otlp_endpoint: str | None = None
    trace_file: Path | None = None
    trace_file_bytes_max: int = Field(default=32 * MIB, ge=1024)
    trace_sample_ratio: float = Field(default=0.01, ge=0, le=1)
    trace_queue_max: int = Field(default=2048, ge=1)
    trace_export_interval_s: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _bounds_agree(self) -> Self:
        if self.database_pool_min > self.database_pool_max:
            raise ValueError("database_pool_min is above database_pool_max")
        if self.inflight_min > self.inflight_max:
            raise ValueError("inflight_min is above inflight_max")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Secret files are read from SECRETS_DIR, which need not exist."""
        del dotenv_settings, file_secret_settings
        folder = Path(os.environ.get("SECRETS_DIR", "/run/secrets"))
        if not folder.is_dir():
            return (init_settings, env_settings)
        return (init_settings, env_settings, SecretsSettingsSource(settings_cls, secrets_dir=folder))
