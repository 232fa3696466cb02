"""Who is told of an event: by mail, by webhook, at which address."""

from dataclasses import dataclass
from email.headerregistry import Address
from enum import StrEnum

from notifications.domain.orders import Order


class Channel(StrEnum):
    MAIL = "mail"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Notice:
    """One telling of one event; without a target there is nobody to tell, which is noted once."""

    event_id: str
    channel: Channel
    order: Order
    target: str | None


def notices_of(order: Order, event_id: str, *, email_domain: str | None) -> list[Notice]:
    """A mail for every order that has an end, a webhook for those that asked for one."""
    notices = [Notice(event_id, Channel.MAIL, order, _address(order, email_domain))]
    if order.webhook_url:
        notices.append(Notice(event_id, Channel.WEBHOOK, order, order.webhook_url))
    return notices


def _address(order: Order, email_domain: str | None) -> str | None:
    if order.email:
        return order.email
    if email_domain is None:
        return None
    try:
        return Address(username=order.customer_id, domain=email_domain).addr_spec
    except ValueError:
        # No address can be made of such an id: the attempt will say so, and the other channel goes on.
        return f"{order.customer_id}@{email_domain}"
