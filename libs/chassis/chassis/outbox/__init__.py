"""Events leave through a table: written with their change, sent by a relay, deleted once acked (ADR-0006)."""

from chassis.outbox.events import Event, add, add_many, add_records
from chassis.outbox.relay import Relay, RelayLimits

__all__ = ["Event", "Relay", "RelayLimits", "add", "add_many", "add_records"]
