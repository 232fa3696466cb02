"""Routes of events, and of sending one again."""

from typing import Final

from payments.dialect.params import Boolean, Id, ListOf, Text, TimeRange
from payments.dialect.routes import Route
from payments.usecases import deliveries, told_events

_TYPES_MAX: Final = 20

ROUTES: Final = (
    Route(
        "GET",
        "/v1/events",
        told_events.list_all,
        params={
            "type": Text(),
            "types": ListOf(Text(), _TYPES_MAX),
            "created": TimeRange(),
            "delivery_success": Boolean(),
        },
        noun="event",
        list=True,
        summary="List events",
    ),
    Route("GET", "/v1/events/{id}", told_events.retrieve, noun="event", summary="Retrieve an event"),
    Route(
        "GET",
        "/v1/events/{id}/deliveries",
        deliveries.of_event,
        noun="webhook_delivery",
        summary="List the deliveries of an event",
    ),
    Route(
        "POST",
        "/v1/events/{id}/retry",
        deliveries.retry,
        params={"webhook_endpoint": Id("we", required=True)},
        noun="event",
        summary="Send an event to a webhook endpoint again",
    ),
)
