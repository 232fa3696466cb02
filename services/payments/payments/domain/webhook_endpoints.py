"""An endpoint: where events of an account are sent, and how the API shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address
from typing import Any, Final

from chassis import weburls
from chassis.weburls import Allowed, UrlRefused, WebUrl

# An old secret may sign beside the new one for a week.
OVERLAP_MAX_S: Final = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`old_secret` signs beside `secret` until `old_secret_until`."""

    id: str
    account_id: str
    url: str
    enabled_events: tuple[str, ...]
    description: str | None
    metadata: Mapping[str, str]
    api_version: str | None
    status: str
    secret: str
    old_secret: str | None
    old_secret_until: datetime | None
    created_at: datetime


def render(endpoint: Endpoint) -> dict[str, Any]:
    """Without the secret: it is told once, when it is made."""
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "api_version": endpoint.api_version,
        "application": None,
        "created": int(endpoint.created_at.timestamp()),
        "description": endpoint.description,
        "enabled_events": list(endpoint.enabled_events),
        "livemode": False,
        "metadata": dict(endpoint.metadata),
        "status": endpoint.status,
        "url": endpoint.url,
    }


def render_with_secret(endpoint: Endpoint) -> dict[str, Any]:
    return {**render(endpoint), "secret": endpoint.secret}


def receiver(url: str, allowed: Allowed) -> WebUrl:
    """Where a webhook may be sent. Raises UrlRefused.

    Addresses that wrap an IPv4 address are refused even if that is public: nobody has such a receiver, they
    only serve to get past filters. What a name resolves to is judged when it is dialled (chassis.egress).
    """
    parsed = weburls.parse(url, allowed)
    address = parsed.address
    if isinstance(address, IPv6Address) and weburls.wrapped(address) and not allowed.covers(address):
        raise UrlRefused("url_private", "The URL does not lead to the public internet.")
    return parsed
