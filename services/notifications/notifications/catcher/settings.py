"""What the catcher reads from its environment, on top of the chassis settings."""

from chassis.settings import MIB, ChassisSettings
from pydantic import Field


class CatcherSettings(ChassisSettings):
    """Frozen; built once in main and passed down."""

    service_name: str = "mailcatcher"
    http_port: int = Field(default=8160, ge=0, le=65535)
    smtp_port: int = Field(default=8161, ge=0, le=65535)  # on http_host; 0: any that is free

    # What hangs by a fault must not hold up the end of the process.
    shutdown_timeout_s: float = Field(default=3.0, gt=0)

    messages_max: int = Field(default=10_000, ge=1)  # the oldest goes first
    message_bytes_max: int = Field(default=MIB, ge=1)
    smtp_idle_max_s: float = Field(default=60.0, gt=0)
    smtp_sessions_max: int = Field(default=256, ge=1)
