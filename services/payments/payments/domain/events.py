"""An event: the snapshot of an object at the time of a change, and how the API shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

# What events are rendered as. There is one version; a row keeps its own.
API_VERSION: Final = "2026-10-28.endive"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """What is written once; `data` is {"object": ..., "previous_attributes": ...}."""

    id: str
    account_id: str
    type: str
    api_version: str
    data: Mapping[str, Any]
    request_id: str | None
    idempotency_key: str | None
    traceparent: str | None
    created_at: datetime


def render(row: EventRow, *, pending_webhooks: int) -> dict[str, Any]:
    """The event as it is retrieved, listed and sent to endpoints."""
    return {
        "id": row.id,
        "object": "event",
        "api_version": row.api_version,
        "created": int(row.created_at.timestamp()),
        "data": row.data,
        "livemode": False,
        "pending_webhooks": pending_webhooks,
        "request": {"id": row.request_id, "idempotency_key": row.idempotency_key},
        "type": row.type,
    }


def data_of(obj: Any, previous_attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """`previous_attributes` stands only in `*.updated` events, as in Stripe's."""
    if previous_attributes is None:
        return {"object": obj}
    return {"object": obj, "previous_attributes": previous_attributes}
