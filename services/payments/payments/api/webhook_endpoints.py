"""Routes of webhook endpoints, their secrets and their deliveries."""

from dataclasses import dataclass
from typing import Any, Final

from payments.dialect.errors import InvalidRequest
from payments.dialect.form import Raw
from payments.dialect.params import Boolean, Field, Integer, ListOf, Metadata, Text
from payments.dialect.routes import Route
from payments.dialect.shapes import scalar
from payments.domain import event_types
from payments.domain.events import API_VERSION
from payments.domain.webhook_endpoints import OVERLAP_MAX_S
from payments.usecases import deliveries
from payments.usecases import webhook_endpoints as usecases

_URL_CHARS_MAX: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class EventName(Field):
    """One of the API's, or `*`; groups such as `charge.*` are for lists of events only, as at Stripe."""

    def parse(self, raw: Raw, name: str) -> str:
        text = scalar(raw, name)
        if text != event_types.ALL and text not in event_types.NAMES:
            raise InvalidRequest(
                f"Invalid {name}: '{text[:60]}' is no type of event; it must be one such as"
                f" payment_intent.succeeded, or {event_types.ALL} for all of them.",
                name,
            )
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOrMore(ListOf):
    def parse(self, raw: Raw, name: str) -> list[Any]:
        found = ListOf.parse(self, raw, name)
        if not found:
            raise InvalidRequest("At least one type of event is needed.", name, "parameter_invalid_empty")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiVersion(Field):
    def parse(self, raw: Raw, name: str) -> str:
        text = scalar(raw, name)
        if text != API_VERSION:
            raise InvalidRequest(f"Invalid API version: events are rendered as {API_VERSION} only.", name)
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": [API_VERSION]}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotConnect(Boolean):
    """Accounts here have no connected ones."""

    def parse(self, raw: Raw, name: str) -> bool:
        if Boolean.parse(self, raw, name):
            raise InvalidRequest(
                "Connect webhook endpoints are not supported: there is no Connect here.", name
            )
        return False


_CHANGEABLE: Final[dict[str, Field]] = {"description": Text(nullable=True), "metadata": Metadata()}
_EVENTS_MAX: Final = len(event_types.NAMES) + 1

ROUTES: Final = (
    Route(
        "POST",
        "/v1/webhook_endpoints",
        usecases.create,
        params={
            **_CHANGEABLE,
            "url": Text(max=_URL_CHARS_MAX, required=True),
            "enabled_events": OneOrMore(EventName(), _EVENTS_MAX, required=True),
            "api_version": ApiVersion(nullable=True),
            "connect": NotConnect(),
        },
        noun="webhook_endpoint",
        summary="Create a webhook endpoint",
    ),
    Route(
        "GET",
        "/v1/webhook_endpoints",
        usecases.list_all,
        noun="webhook_endpoint",
        list=True,
        summary="List webhook endpoints",
    ),
    Route(
        "GET",
        "/v1/webhook_endpoints/{id}",
        usecases.retrieve,
        noun="webhook_endpoint",
        summary="Retrieve a webhook endpoint",
    ),
    Route(
        "POST",
        "/v1/webhook_endpoints/{id}",
        usecases.update,
        params={
            **_CHANGEABLE,
            "url": Text(max=_URL_CHARS_MAX),
            "enabled_events": OneOrMore(EventName(), _EVENTS_MAX),
            "disabled": Boolean(),
        },
        noun="webhook_endpoint",
        summary="Update a webhook endpoint",
    ),
    Route(
        "DELETE",
        "/v1/webhook_endpoints/{id}",
        usecases.delete,
        noun="webhook_endpoint",
        summary="Delete a webhook endpoint",
    ),
    Route(
        "POST",
        "/v1/webhook_endpoints/{id}/rotate_secret",
        usecases.rotate_secret,
        params={"expires_in": Integer(0, OVERLAP_MAX_S)},
        noun="webhook_endpoint",
        summary="Rotate the signing secret of a webhook endpoint",
    ),
    Route(
        "GET",
        "/v1/webhook_endpoints/{id}/deliveries",
        deliveries.of_endpoint,
        noun="webhook_delivery",
        list=True,
        summary="List the deliveries to a webhook endpoint",
    ),
)
