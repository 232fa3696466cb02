"""What payments reads from its environment, on top of the chassis settings."""

from pathlib import Path
from typing import Self

from chassis.settings import ChassisSettings
from chassis.weburls import Allowed
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
    payments_api_key_orders: SecretStr | None = None  # our own shop's, which charges once an order
    seeded_rate_per_s: float = Field(default=500.0, gt=0)
    seeded_burst: int = Field(default=1_000, ge=1)
    orders_rate_per_s: float = Field(default=5_000.0, gt=0)
    orders_burst: int = Field(default=20_000, ge=1)

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
    bank_timeout_s: float = Field(default=5.0, gt=0)  # of one attempt; there are two at most
    bank_retry_pause_s: float = Field(default=0.1, gt=0)
    bank_keepalive_s: float = Field(
        default=30.0, gt=0
    )  # below the bank's own, so that it does not hang up first
    bank_calls_max: int = Field(default=64, ge=1)
    bank_queue_max: int = Field(default=192, ge=0)
    bank_queue_timeout_s: float = Field(default=2.0, gt=0)
    bank_breaker_calls_min: int = Field(default=20, ge=1)
    bank_breaker_open_s: float = Field(default=1.0, gt=0)
    bank_breaker_open_max_s: float = Field(default=4.0, gt=0)
    # Operations: an owner's lease is longer than its two attempts; then anybody may take over.
    operation_lease_s: float = Field(default=20.0, gt=0)
    reconcile_poll_s: float = Field(default=0.25, gt=0)
    reconcile_batch_max: int = Field(default=16, ge=1)
    reconcile_backoff_s: float = Field(default=0.5, gt=0)
    reconcile_backoff_max_s: float = Field(default=5.0, gt=0)

    # Webhooks.
    webhook_allowed_hosts: str = ""  # comma-separated names, addresses, networks that the guard lets through
    webhook_endpoints_max: int = Field(default=16, ge=1)  # of an account
    webhook_connect_timeout_s: float = Field(default=3.0, gt=0)
    webhook_timeout_s: float = Field(default=10.0, gt=0)  # of a whole attempt
    webhook_lease_s: float = Field(default=15.0, gt=0)  # of a claim: when a dead worker's attempt is repeated
    webhook_retry_first_s: float = Field(default=4.0, gt=0)  # jittered; then doubled
    webhook_retry_pause_max_s: float = Field(default=12 * 3600.0, gt=0)
    webhook_give_up_s: float = Field(default=3 * 24 * 3600.0, gt=0)
    webhook_inflight_max: int = Field(default=256, ge=2)  # of a worker
    webhook_endpoint_inflight_max: int = Field(default=16, ge=1)  # of a worker, to one endpoint
    webhook_poll_s: float = Field(default=0.1, gt=0)
    webhook_fan_out_batch_max: int = Field(default=500, ge=1)
    webhook_due_endpoints_max: int = Field(default=1_000, ge=1)  # looked at in one pass
    webhook_response_chars_max: int = Field(default=1_000, ge=0)  # kept in the log
    webhook_attempts_shown_max: int = Field(default=50, ge=1)
    webhook_report_s: float = Field(default=2.0, gt=0)
    webhook_counted_max: int = Field(default=100_000, ge=1)  # pending deliveries that the gauge counts to
    events_kept_s: float = Field(default=30 * 24 * 3600.0, gt=0)

    # The worker's housekeeping.
    reap_every_s: float = Field(default=60.0, gt=0)
    reap_batch_max: int = Field(default=1_000, ge=1)

    # The proof: what it may take, and how long things may be on their way.
    proof_timeout_s: float = Field(default=25.0, gt=0)  # below the limit of a request
    proof_book_timeout_s: float = Field(default=5.0, gt=0)  # of one page
    proof_book_page: int = Field(default=1_000, ge=1, le=1_000)
    proof_book_charges_max: int = Field(default=500_000, ge=1)
    proof_examples_max: int = Field(default=5, ge=1)
    proof_rechecks_max: int = Field(default=100, ge=1)
    proof_recheck_attempts_max: int = Field(default=3, ge=1)  # of one charge that moves meanwhile
    proof_unknown_age_max_s: float = Field(default=300.0, gt=0)
    proof_outbox_age_max_s: float = Field(default=600.0, gt=0)
    ledger_check_every_s: float = Field(default=60.0, gt=0)

    @model_validator(mode="after")
    def _only_tests_move_the_clock(self) -> Self:
        if self.clock_file is not None and self.environment != "test":
            raise ValueError("clock_file is for ENVIRONMENT=test only")
        return self

    @model_validator(mode="after")
    def _the_allow_list_makes_sense(self) -> Self:
        Allowed.of(self.webhook_allowed_hosts.split(","))
        return self

    @model_validator(mode="after")
    def _a_lease_outlives_its_attempt(self) -> Self:
        if self.webhook_lease_s <= self.webhook_timeout_s:
            raise ValueError("webhook_lease_s is not above webhook_timeout_s")
        return self
