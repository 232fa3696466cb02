"""What inventory reads from its environment, on top of the chassis settings."""

from chassis.settings import ChassisSettings
from pydantic import Field, SecretStr


class InventorySettings(ChassisSettings):
    """Frozen; built once in main and in worker, and passed down."""

    service_name: str = "inventory"
    http_port: int = Field(default=8110, ge=0, le=65535)
    inventory_api_key: SecretStr | None = None  # what orders calls with; without one, nobody does

    # Commands that one transaction answers: the longer it runs, the longer it holds a hot SKU.
    commands_max: int = Field(default=1_000, ge=1)
    # Consumers may be made to fail on purpose, by a book in Redis: demos and tests only.
    faults_enabled: bool = False

    # Reservations whose time is up.
    expiry_poll_s: float = Field(default=0.5, gt=0)
    expiry_batch_max: int = Field(default=500, ge=1)

    # Idempotency keys of receipts.
    idempotency_kept_s: float = Field(default=24 * 3600.0, ge=24 * 3600.0)
    replay_cache_size_max: int = Field(default=1_024, ge=0)
    replay_cache_ttl_s: float = Field(default=60.0, gt=0)
    replay_body_bytes_max: int = Field(default=4 * 1024, ge=0)

    # Event ids that were applied: beyond the retention of the topic (7 days) and of its dead letters (14).
    inbox_kept_s: float = Field(default=16 * 24 * 3600.0, gt=0)
    reap_every_s: float = Field(default=60.0, gt=0)
    reap_batch_max: int = Field(default=5_000, ge=1)

    # Gauges.
    report_s: float = Field(default=5.0, gt=0)

    # The reconcile: what it may take, and how long things may be overdue.
    reconcile_timeout_s: float = Field(default=20.0, gt=0)  # below the limit of a request
    reconcile_examples_max: int = Field(default=5, ge=1)
    reconcile_overdue_max_s: float = Field(default=60.0, gt=0)
    reconcile_outbox_age_max_s: float = Field(default=600.0, gt=0)
