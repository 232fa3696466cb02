"""Path and query parameters that several routes share, and the problems that all of them may answer."""

from typing import Annotated, Final

from chassis.problems import (
    BodyTooLarge,
    Forbidden,
    MalformedBody,
    Overloaded,
    TooManyRequests,
    Unauthorized,
    ValidationFailed,
)
from fastapi import Query

from orders.problems import (
    DatabaseAway,
    IdempotencyInFlight,
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    IdempotencyMismatch,
    MediaTypeUnsupported,
)

ALWAYS: Final = (Unauthorized, TooManyRequests, DatabaseAway, Overloaded)
ADMIN: Final = (Forbidden, *ALWAYS)
WITH_BODY: Final = (MalformedBody, BodyTooLarge, MediaTypeUnsupported, ValidationFailed)
WITH_KEY: Final = (IdempotencyKeyMissing, IdempotencyKeyInvalid, IdempotencyInFlight, IdempotencyMismatch)

PageLimit = Annotated[int, Query(alias="limit", ge=1, le=100, description="Items a page.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]
