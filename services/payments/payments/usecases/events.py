"""Telling what happened: each change leaves an event in its own transaction, for the API, webhooks and Kafka.

A change that tells several things at once passes drafts to `record_all`: one round trip for any number. A
create that is one SQL statement takes its columns from `row`, or from `prepared` if it leaves on Kafka too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis import metrics
from chassis.postgres import Connection
from chassis.records import Record
from chassis.telemetry import current_traceparent

from payments import events as kafka
from payments.domain.events import API_VERSION, EventRow, data_of
from payments.domain.ids import new_id
from payments.store import events as store

_RECORDED = metrics.counter("payments_events_recorded_total", "Events recorded, by type.", ("type",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One event to record; `object` is the rendered object after the change."""

    account_id: str
    type: str
    object: Mapping[str, Any]
    at: datetime
    request_id: str | None = None
    idempotency_key: str | None = None
    # The old values of what an update changed, nothing else.
    previous_attributes: Mapping[str, Any] | None = None
    # Of a payment intent or refund after the change: Kafka's readers order by it.
    version: int | None = None


async def record(
    conn: Connection,
    *,
    account_id: str,
    type: str,  # noqa: A002 - Stripe's own word
    object: Mapping[str, Any],  # noqa: A002
    at: datetime,
    request_id: str | None = None,
    idempotency_key: str | None = None,
    previous_attributes: Mapping[str, Any] | None = None,
    version: int | None = None,
) -> None:
    """Record one event in the caller's transaction."""
    draft = Draft(
        account_id=account_id,
        type=type,
        object=object,
        at=at,
        request_id=request_id,
        idempotency_key=idempotency_key,
        previous_attributes=previous_attributes,
        version=version,
    )
    await record_all(conn, [draft])


async def record_all(conn: Connection, drafts: Sequence[Draft]) -> None:
    """Record events in the caller's transaction, in one round trip; their order is kept in their ids."""
    await store.insert(conn, [prepared(draft) for draft in drafts])


def prepared(draft: Draft) -> tuple[EventRow, Record | None]:
    """What one event is written as: its row, and its record if it leaves on Kafka."""
    row = _row(draft)
    event = kafka.of(row.id, row.account_id, row.type, draft.object, row.created_at, draft.version)
    return row, None if event is None else event.record()


def row(draft: Draft) -> EventRow:
    """The columns of one event, for a create that inserts them in its own statement."""
    if kafka.leaves(draft.type):
        raise ValueError(f"{draft.type} leaves on Kafka too: use record")
    return _row(draft)


def _row(draft: Draft) -> EventRow:
    _RECORDED.labels(draft.type).inc()
    return EventRow(
        id=new_id("evt"),
        account_id=draft.account_id,
        type=draft.type,
        api_version=API_VERSION,
        data=data_of(draft.object, draft.previous_attributes),
        request_id=draft.request_id,
        idempotency_key=draft.idempotency_key,
        traceparent=current_traceparent(),
        created_at=draft.at,
    )
