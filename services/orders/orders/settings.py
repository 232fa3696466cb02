"""What orders reads from its environment, on top of the chassis settings."""

from typing import Self

from chassis.settings import ChassisSettings
from chassis.weburls import Allowed
from pydantic import Field, SecretStr, field_validator, model_validator


class OrdersSettings(ChassisSettings):
    """Frozen; built once in main or worker and passed down."""

    service_name: str = "orders"

    # Only `python -m orders.seed` reads these.
    orders_api_key: SecretStr | None = None
    orders_api_key_2: SecretStr | None = None
    seeded_rate_per_s: float = Field(default=1_000.0, gt=0)
    seeded_burst: int = Field(default=4_000, ge=1)

    # Limits of callers: of a tenant from its row; of an address that guesses keys from here.
    ratelimit_local_share: float = Field(default=0.5, gt=0, le=1)  # of each limit, a process, without Redis
    refused_key_rate_per_s: float = Field(default=20.0, gt=0)
    refused_key_burst: int = Field(default=100, ge=1)

    # Orders.
    order_amount_max: int = Field(default=99_999_999, ge=1)  # minor units: eight digits are what cards take
    webhook_allowed_hosts: str = ""  # comma-separated names, addresses, networks that are let through

    # Idempotency keys.
    idempotency_kept_s: float = Field(default=24 * 3600.0, ge=24 * 3600.0)
    replay_cache_size_max: int = Field(default=4_096, ge=0)
    replay_cache_ttl_s: float = Field(default=60.0, gt=0)
    replay_body_bytes_max: int = Field(default=32 * 1024, ge=0)

    # Housekeeping of the worker.
    reap_every_s: float = Field(default=60.0, gt=0)
    reap_batch_max: int = Field(default=1_000, ge=1)

    # Inventory, asked about products only: no order waits for it.
    inventory_url: str = "http://127.0.0.1:8110"
    inventory_api_key: SecretStr | None = None
    inventory_timeout_s: float = Field(default=2.0, gt=0)  # of one attempt; there are two at most
    inventory_retry_pause_s: float = Field(default=0.1, gt=0)
    inventory_keepalive_s: float = Field(default=30.0, gt=0)  # below inventory's own
    inventory_calls_max: int = Field(default=32, ge=1)
    inventory_queue_max: int = Field(default=128, ge=0)
    inventory_queue_timeout_s: float = Field(default=1.0, gt=0)
    inventory_breaker_calls_min: int = Field(default=10, ge=1)
    inventory_breaker_open_s: float = Field(default=1.0, gt=0)
    inventory_breaker_open_max_s: float = Field(default=4.0, gt=0)

    # Payments, through Stripe's SDK; without a base address it is Stripe itself.
    stripe_api_key: SecretStr | None = None
    stripe_api_base: str | None = None
    stripe_timeout_s: float = Field(default=12.0, gt=0)  # of one call: above two of payments to its bank
    stripe_connect_timeout_s: float = Field(default=2.0, gt=0)
    stripe_keepalive_s: float = Field(default=30.0, gt=0)  # below payments' own
    stripe_calls_max: int = Field(default=64, ge=1)  # at once, of a process
    stripe_breaker_calls_min: int = Field(default=20, ge=1)
    stripe_breaker_open_s: float = Field(default=0.5, gt=0)
    stripe_breaker_open_max_s: float = Field(default=4.0, gt=0)

    # The saga: how long stock is set aside, a command waits, an order waits for its payment.
    saga_reservation_s: float = Field(default=900.0, gt=0)
    saga_step_timeout_s: float = Field(default=30.0, gt=0)  # then the command is sent again
    saga_step_timeout_max_s: float = Field(default=300.0, gt=0)  # doubled up to this
    saga_give_up_s: float = Field(default=1800.0, gt=0)
    saga_stuck_after_s: float = Field(default=300.0, gt=0)  # in one state
    # Money steps: a claim outlives its call and the question after it; then anybody may take the step over.
    saga_lease_s: float = Field(default=30.0, gt=0)
    saga_claims_max: int = Field(default=64, ge=1)  # in one statement
    saga_settles_max: int = Field(default=128, ge=1)  # in one transaction
    saga_backoff_s: float = Field(default=0.5, gt=0)  # jittered, doubled up to:
    saga_backoff_max_s: float = Field(default=5.0, gt=0)
    saga_linger_s: float = Field(default=0.004, ge=0)  # for calls that end together to be settled together
    saga_poll_s: float = Field(default=0.25, gt=0)
    saga_sweep_s: float = Field(default=1.0, gt=0)
    saga_sweep_batch_max: int = Field(default=200, ge=1)
    saga_report_s: float = Field(default=2.0, gt=0)

    # The reconcile check: what it may take, and how long things may be on their way.
    reconcile_timeout_s: float = Field(default=25.0, gt=0)  # below the limit of a request
    reconcile_intents_page: int = Field(default=100, ge=1, le=100)  # Stripe's own limit
    reconcile_intents_max: int = Field(default=1_000_000, ge=1)
    reconcile_orders_page: int = Field(default=1_000, ge=1, le=1_000)
    reconcile_rechecks_max: int = Field(default=100, ge=1)
    reconcile_examples_max: int = Field(default=5, ge=1)
    reconcile_due_age_max_s: float = Field(default=300.0, gt=0)  # of a saga that nobody takes up
    reconcile_outbox_age_max_s: float = Field(default=600.0, gt=0)
    reconcile_parked_age_max_s: float = Field(default=600.0, gt=0)

    # Dead letters: the index, and the runs that redrive or discard.
    redrive_groups: str = "orders,inventory,notifications,shortener.clicks"  # that read <group>.retry.redrive
    redrive_rate_per_s: float = Field(default=100.0, gt=0)  # of a run that names none
    redrive_letters_max: int = Field(default=100_000, ge=1)  # of a run that names no fewer
    redrive_tick_s: float = Field(default=0.02, gt=0)  # letters due within one leave together
    redrive_catch_up_s: float = Field(default=1.0, gt=0)  # of a stall; what is older is not made up for
    redrive_batch_max: int = Field(default=500, ge=1)
    redrive_batch_bytes_max: int = Field(default=8 * 1024 * 1024, ge=1)
    redrive_lease_s: float = Field(default=10.0, gt=0)
    redrive_poll_s: float = Field(default=0.25, gt=0)
    redrive_runs_max: int = Field(default=8, ge=1)  # at once, of a worker
    redrive_wait_s: float = Field(default=20.0, gt=0)  # below the limit of a request
    letters_report_s: float = Field(default=5.0, gt=0)
    # After they were resolved or discarded: beyond the 14 days of a DLQ, or reading it anew revives them.
    letters_kept_s: float = Field(default=30 * 24 * 3600.0, ge=15 * 24 * 3600.0)

    # Failures on purpose: demo and tests only.
    faults_enabled: bool = False
    faulty_groups: str = "orders,inventory,notifications"

    @model_validator(mode="after")
    def _a_lease_outlives_its_calls(self) -> Self:
        if self.saga_lease_s <= 2 * self.stripe_timeout_s:
            raise ValueError("saga_lease_s is not above two calls of stripe_timeout_s")
        return self

    @field_validator("webhook_allowed_hosts")
    @classmethod
    def _the_allow_list_makes_sense(cls, value: str) -> str:
        Allowed.of(value.split(","))
        return value

    @property
    def redrivable(self) -> tuple[str, ...]:
        """The consumer groups that take dead letters back."""
        return tuple(group.strip() for group in self.redrive_groups.split(","))

    @property
    def fault_groups(self) -> tuple[str, ...]:
        """The consumer groups that look for faults in place."""
        return tuple(group.strip() for group in self.faulty_groups.split(","))
