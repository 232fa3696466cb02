"""What notifications reads from its environment, on top of the chassis settings."""

import string
from typing import Literal, Self

from chassis.settings import ChassisSettings
from chassis.weburls import Allowed
from pydantic import Field, SecretStr, model_validator

from notifications.domain.addresses import address_of


class NotificationsSettings(ChassisSettings):
    """Frozen; built once in worker and passed down."""

    service_name: str = "notifications"
    http_port: int = Field(default=8140, ge=0, le=65535)
    faults_enabled: bool = False

    # Mail: where it is handed in, whom it is from, and who gets it when an order names no address.
    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(default=8161, ge=1, le=65535)
    smtp_tls: Literal["if_offered", "required", "implicit"] = "if_offered"
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_timeout_s: float = Field(default=6.0, gt=0)  # of a whole mail, its connection included
    smtp_connections_max: int = Field(default=8, ge=1)
    smtp_queue_timeout_s: float = Field(default=1.0, gt=0)
    smtp_idle_trusted_s: float = Field(default=1.0, ge=0)  # older connections are asked before they are used
    smtp_idle_max_s: float = Field(default=20.0, gt=0)  # and these are not used again
    mail_from: str = "Signalbox Orders <orders@example.com>"
    customer_email_domain: str | None = None  # <customer_id>@this; unset: no address, no mail

    # The tracking link: unset, the mail has none; without a key it carries the long address.
    tracking_url: str | None = None  # with {order_id}
    shortener_url: str = "http://127.0.0.1:8010"
    shortener_api_key: SecretStr | None = None
    shortener_timeout_s: float = Field(default=2.0, gt=0)
    shortener_calls_max: int = Field(default=16, ge=1)

    # Webhooks of customers' shops.
    webhook_secret: SecretStr | None = None  # whsec_<base64>; unset: webhook notices are not sent
    webhook_allowed_hosts: str = ""  # comma-separated names, addresses, networks that the guard lets through
    webhook_connect_timeout_s: float = Field(default=3.0, gt=0)
    webhook_timeout_s: float = Field(default=6.0, gt=0)  # of a whole attempt
    webhook_calls_max: int = Field(default=8, ge=1)  # fewer than deliveries_max: silent ones hold up no mail
    webhook_queue_timeout_s: float = Field(default=1.0, gt=0)

    # Breakers in front of the mail server and the shortener.
    breaker_calls_min: int = Field(default=10, ge=1)
    breaker_open_s: float = Field(default=1.0, gt=0)
    breaker_open_max_s: float = Field(default=4.0, gt=0)

    # Deliveries: what is under way at once, and when what a dead worker held may be taken over.
    deliveries_max: int = Field(default=16, ge=1)
    delivery_lease_s: float = Field(default=10.0, gt=0)
    delivery_look_s: float = Field(
        default=0.25, gt=0
    )  # at one in another's hand, to see whether it has ended
    record_attempts_max: int = Field(default=6, ge=1)  # of writing down what was sent, while Postgres is away
    retry_delays_s: tuple[float, float, float] = (5.0, 30.0, 300.0)
    # Beyond the retention of the dead letters (14 days): a redrive must find what was sent.
    deliveries_kept_s: float = Field(default=30 * 24 * 3600.0, ge=15 * 24 * 3600.0)
    reap_every_s: float = Field(default=60.0, gt=0)
    reap_batch_max: int = Field(default=1_000, ge=1)

    @model_validator(mode="after")
    def _a_lease_outlives_its_attempt(self) -> Self:
        mail_s = self.shortener_timeout_s + self.smtp_queue_timeout_s + self.smtp_timeout_s
        webhook_s = self.webhook_queue_timeout_s + self.webhook_timeout_s
        if self.delivery_lease_s <= max(mail_s, webhook_s):
            raise ValueError("delivery_lease_s is not above what an attempt may take")
        return self

    @model_validator(mode="after")
    def _a_password_travels_encrypted(self) -> Self:
        if self.smtp_username is not None and self.smtp_tls == "if_offered":
            raise ValueError("smtp_username needs smtp_tls=required or implicit")
        return self

    @model_validator(mode="after")
    def _addresses_make_sense(self) -> Self:
        address_of(self.mail_from)
        names = {name for _, name, _, _ in string.Formatter().parse(self.tracking_url or "") if name}
        if self.tracking_url is not None and names != {"order_id"}:
            raise ValueError("tracking_url has the place {order_id} and no other")
        Allowed.of(self.webhook_allowed_hosts.split(","))
        return self
