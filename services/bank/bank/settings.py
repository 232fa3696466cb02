"""What the bank reads from its environment, on top of the chassis settings."""

from chassis.settings import ChassisSettings
from pydantic import Field, SecretStr


class BankSettings(ChassisSettings):
    """Frozen; built once in main and passed down."""

    service_name: str = "bank"
    http_port: int = Field(default=8070, ge=0, le=65535)
    bank_api_key: SecretStr  # what merchants call with

    # A request that hangs by a fault must not hold up the end of the process.
    shutdown_timeout_s: float = Field(default=3.0, gt=0)

    # A repeat of a key in flight waits for the first this long, then it is told to come back.
    key_wait_s: float = Field(default=5.0, gt=0)
    key_poll_s: float = Field(default=0.05, gt=0)

    # Keys whose first attempt a card's fault has struck; the oldest is forgotten first.
    card_faults_kept_max: int = Field(default=100_000, ge=1)
