"""/v1/links/bulk: up to 10,000 links in one request."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import msgspec
from chassis.once import Repeatable
from chassis.problems import MalformedBody, Problem, ValidationFailed, problem_responses
from fastapi import APIRouter, Request, Response

from shortener.api import shapes
from shortener.api.access import CallingTenant
from shortener.api.drafts import draft_of_json
from shortener.api.headers import IdempotencyKey
from shortener.api.parameters import ALWAYS, WITH_BODY, documented_body, tenant_scope
from shortener.domain.links import Draft
from shortener.domain.targets import PublicHost
from shortener.problems import (
    BulkConflict,
    BulkRefused,
    BulkTooLong,
    IdempotencyInFlight,
    IdempotencyKeyInvalid,
    IdempotencyMismatch,
    QuotaExceeded,
)
from shortener.schemas import BulkIn, BulkOut
from shortener.usecases import bulk as usecases

router = APIRouter(prefix="/v1/links", tags=["bulk"])


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """The rows stay raw: each is parsed by itself, with turns of the event loop in between."""

    mode: Literal["atomic", "each"]
    links: list[msgspec.Raw]


@router.post(
    "/bulk",
    summary="Create many links",
    response_model=BulkOut,
    responses=problem_responses(
        *ALWAYS,
        *WITH_BODY,
        ValidationFailed,
        BulkRefused,
        BulkTooLong,
        BulkConflict,
        QuotaExceeded,
        IdempotencyInFlight,
        IdempotencyKeyInvalid,
        IdempotencyMismatch,
    ),
    openapi_extra=documented_body(BulkIn),
)
async def create_links(request: Request, tenant: CallingTenant, key: IdempotencyKey) -> Response:
    """Costs one request of the rate and as many links of the quota as were created. Body up to 8 MiB."""
    state, base_url = request.app.state, shapes.base_url_of(request)
    envelope = _decode(await request.body())
    if not envelope.links:
        raise ValidationFailed(
            "1 value is not valid.", errors=[{"pointer": "/body/links", "detail": "Send at least one link."}]
        )
    if len(envelope.links) > state.settings.bulk_rows_max:
        raise BulkTooLong(f"At most {state.settings.bulk_rows_max} links.")
    drafts, parameters = await read_rows(envelope.links, state.own_hosts, fingerprinted=key is not None)
    repeatable = Repeatable.of(tenant_scope(tenant), key, "POST /v1/links/bulk", [envelope.mode, parameters])
    answer = await usecases.create_links(
        state.resources,
        tenant,
        drafts,
        repeatable,
        lambda outcomes: shapes.bulk_answer(outcomes, base_url),
        atomic=envelope.mode == "atomic",
        via="bulk",
    )
    return shapes.answer_response(answer)


async def read_rows(
    rows: Sequence[bytes | msgspec.Raw], own: frozenset[PublicHost], *, fingerprinted: bool
) -> tuple[list[Draft | Problem], list[str]]:
    """Give a draft or a problem for each row and, if wanted, the parsed parameters in one spelling."""
    drafts: list[Draft | Problem] = []
    parameters: list[str] = []
    for index, row in enumerate(rows):
        if index % usecases.YIELD_EVERY == 0:
            await asyncio.sleep(0)
        raw = bytes(row)
        read = draft_of_json(raw, own)
        if isinstance(read, Problem):
            drafts.append(read)
            parameters.append(raw.decode("utf-8", "replace"))
        else:
            draft, body = read
            drafts.append(draft)
            if fingerprinted:
                parameters.append(body.model_dump_json(exclude_none=True))
    return drafts, parameters


def _decode(body: bytes) -> _Envelope:
    try:
        return msgspec.json.decode(body, type=_Envelope)
    except msgspec.ValidationError as error:
        raise ValidationFailed(
            "1 value is not valid.", errors=[{"pointer": "/body", "detail": str(error)}]
        ) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedBody("The body is not valid JSON.") from error
