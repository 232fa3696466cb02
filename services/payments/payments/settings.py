"""What payments reads from its environment, on top of the chassis settings."""

from pathlib import Path
from typing import Self

from chassis.settings import ChassisSettings
from pydantic import Field, SecretStr, model_validator


class PaymentsSettings(ChassisSettings):
    """Frozen; built once in main or worker and passed down."""

    service_name: str = "payments"
    public_base_url: str = "http://127.0.0.1:8040"
    # Seconds to add to the machine's time; only test runs may move the clock.
    clock_file: Path | None = None

    # Only `python -m payments.seed` reads these.
    payments_api_key: SecretStr | None = None
    payments_api_key_2: SecretStr | None = None
    seeded_rate_per_s: float = Field(default=500.0, gt=0)
    seeded_burst: int = Field(default=1_000, ge=1)

    # Limits of callers: of an account from its row; of an address that guesses keys from here.
    ratelimit_local_share: float = Field(default=0.5, gt=0, le=1)  # of each limit, a process, without Redis
    refused_key_rate_per_s: float = Field(default=20.0, gt=0)
    refused_key_burst: int = Field(default=100, ge=1)

    # Requests.
    parameters_max: int = Field(default=1_000, ge=1)
    parameter_depth_max: int = Field(default=8, ge=1)
    parameter_chars_max: int = Field(default=5_000, ge=1)

    # Idempotency keys.
    idempotency_kept_s: float = Field(default=24 * 3600.0, ge=24 * 3600.0)
    idempotency_reap_batch_max: int = Field(default=5_000, ge=1)
    replay_cache_size_max: int = Field(default=4_096, ge=0)
    replay_cache_ttl_s: float = Field(default=60.0, gt=0)
    replay_body_bytes_max: int = Field(default=16 * 1024, ge=0)

    # The bank.
    bank_url: str = "http://127.0.0.1:8070"
    bank_api_key: SecretStr | None = None
    bank_timeout_s: float = Field(default=5.0, gt=0)
    operation_lease_s: float = Field(default=20.0, gt=0)

    # Webhooks.
    webhook_allowed_hosts: str = (
        ""  # comma-separated hosts, addresses and networks that the guard lets through
    )

    @model_validator(mode="after")
    def _only_tests_move_the_clock(self) -> Self:
        if self.clock_file is not None and self.environment != "test":
            raise ValueError("clock_file is for ENVIRONMENT=test only")
        return self
