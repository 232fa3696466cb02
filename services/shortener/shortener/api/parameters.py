"""Path and query parameters that several routes share, and the problems that all of them may answer."""

from typing import Annotated, Any, Final
from uuid import UUID

from chassis.problems import BodyTooLarge, MalformedBody, Overloaded, TooManyRequests, Unauthorized
from chassis.problems import Text as PlainText
from fastapi import Depends, Path, Query
from pydantic import BaseModel, StringConstraints

from shortener.api.cursors import LENGTH_MAX as CURSOR_LENGTH_MAX
from shortener.problems import DatabaseAway, LinkNotFound
from shortener.usecases.resources import Tenant

ALWAYS: Final = (Unauthorized, TooManyRequests, DatabaseAway, Overloaded)
WITH_BODY: Final = (MalformedBody, BodyTooLarge)


def _link_id(
    link_id: Annotated[
        str,
        Path(
            description="The link's `id`.",
            examples=["01890a5d-ac96-774b-bcce-b302099a8057"],
            json_schema_extra={"format": "uuid"},
        ),
    ],
) -> UUID:
    return uuid_or_missing(link_id)


def uuid_or_missing(text: str) -> UUID:
    """What is no id names no link. Raises LinkNotFound."""
    found = uuid_or_none(text)
    if found is None:
        raise LinkNotFound
    return found


def uuid_or_none(text: str) -> UUID | None:
    """Only the canonical form: UUID() itself would take braces and URNs."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def tenant_scope(tenant: Tenant) -> str:
    """Under which a tenant's idempotency keys are kept."""
    return f"tenant:{tenant.id}"


def documented_body(model: type[BaseModel], media_type: str = "application/json") -> dict[str, Any]:
    """OpenAPI of a body that a route reads by itself; other routes document what the model refers to."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


LinkId = Annotated[UUID, Depends(_link_id)]
Limit = Annotated[int, Query(ge=1, le=100, description="Items a page.")]
Cursor = Annotated[
    str | None, Query(max_length=CURSOR_LENGTH_MAX, description="`next_cursor` of the page before.")
]
SearchText = Annotated[PlainText, StringConstraints(min_length=1, max_length=100)]
