"""What the use cases work with; built once in worker."""

from dataclasses import dataclass

from chassis.postgres import Pool

from notifications.links import Links
from notifications.mailer import Mailer
from notifications.settings import NotificationsSettings
from notifications.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Resources:
    """`webhooks` is None where none can be signed."""

    settings: NotificationsSettings
    db: Pool
    mailer: Mailer
    links: Links
    webhooks: Webhooks | None
