"""What inventory consumes: the commands of the sagas in orders."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec
from chassis.kafka import ConsumerLimits, ConsumerLoop, Handlers, Incoming
from chassis.kafka.faults import Faults
from chassis.postgres import Connection, Pool

from inventory.domain.reservations import Command, Confirm, Line, Release, Reserve
from inventory.events import STOCK_REQUESTED
from inventory.settings import InventorySettings
from inventory.usecases.reservations import answer

GROUP: Final = "inventory"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class LineWanted(msgspec.Struct):
    sku: Name
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]


class ReservationRequested(msgspec.Struct):
    order_id: Name
    tenant_id: Name
    request_id: Name
    lines: Annotated[list[LineWanted], msgspec.Meta(min_length=1, max_length=1_000)]
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]


class ConfirmationRequested(msgspec.Struct):
    order_id: Name
    tenant_id: Name
    request_id: Name


class ReleaseRequested(msgspec.Struct):
    order_id: Name
    tenant_id: Name
    request_id: Name


TYPES: Final[dict[str, type[msgspec.Struct]]] = {
    "orders.stock-reservation-requested.v1": ReservationRequested,
    "orders.stock-confirmation-requested.v1": ConfirmationRequested,
    "orders.stock-release-requested.v1": ReleaseRequested,
}


def commands_consumer(
    settings: InventorySettings,
    pool: Pool,
    faults: Faults | None = None,
    *,
    applied: Callable[[], None] | None = None,
) -> ConsumerLoop:
    """`applied` is called after each commit."""
    handlers = Handlers(consumer=GROUP, types=TYPES, faults=faults)
    return ConsumerLoop(
        settings,
        group=GROUP,
        topics=[STOCK_REQUESTED],
        apply=handlers.apply(handle),
        pool=pool,
        redrive=True,
        limits=ConsumerLimits(fetch_records_max=settings.commands_max),
        applied=applied,
    )


async def handle(conn: Connection, incoming: Sequence[Incoming]) -> None:
    await answer(conn, [command_of(one) for one in incoming])


def command_of(incoming: Incoming) -> Command:
    wanted, traceparent = incoming.event, incoming.message.traceparent
    if isinstance(wanted, ReservationRequested):
        return Reserve(
            order_id=wanted.order_id,
            tenant_id=wanted.tenant_id,
            request_id=wanted.request_id,
            traceparent=traceparent,
            lines=_added_up(wanted.lines),
            expires_at=wanted.expires_at,
        )
    kind = Confirm if isinstance(wanted, ConfirmationRequested) else Release
    return kind(
        order_id=wanted.order_id,
        tenant_id=wanted.tenant_id,
        request_id=wanted.request_id,
        traceparent=traceparent,
    )


def _added_up(lines: Sequence[LineWanted]) -> tuple[Line, ...]:
    """A SKU that stands on two lines is one demand."""
    quantities: dict[str, int] = {}
    for line in lines:
        quantities[line.sku] = quantities.get(line.sku, 0) + line.quantity
    return tuple(Line(sku, quantity) for sku, quantity in quantities.items())
