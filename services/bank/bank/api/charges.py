"""Charges: authorise, capture, void, refund, look up."""

from typing import Annotated

import msgspec
from chassis import problems
from chassis.metrics import counter
from chassis.problems import Problem, Unauthorized, problem_responses
from fastapi import APIRouter, Path, Query, Request, Response

from bank.api.access import IdempotencyKey, Merchant
from bank.domain.charges import Charge
from bank.faults import DECLINES
from bank.problems import (
    AmountTooLarge,
    ChargeNotFound,
    DatabaseAway,
    Declined,
    KeyInFlight,
    KeyInvalid,
    KeyMismatch,
    KeyRequired,
    WrongState,
)
from bank.schemas import CaptureIn, ChargeIn, ChargeOut, RefundIn, RefundOut, VoidIn
from bank.usecases import charges as usecases
from bank.usecases.once import Answer

router = APIRouter(prefix="/v1/charges", tags=["charges"], dependencies=[Merchant])

_REQUESTS = counter(
    "bank_requests_total", "Requests to the processor by operation and outcome.", ("operation", "outcome")
)
_ALWAYS: tuple[type[Problem], ...] = (Unauthorized, DatabaseAway)
_CREATE = (*_ALWAYS, KeyRequired, KeyInvalid, KeyMismatch, KeyInFlight)
_CHANGE = (*_CREATE, ChargeNotFound, WrongState, Declined)
_CLIENT_ERROR = 400


def _is_declining(request: Request) -> bool:
    return bool(getattr(request.state, DECLINES, False))


ChargeId = Annotated[str, Path(max_length=64, examples=["bch_0193a5b8d2f47c3e9b1a4f6e8c7d2a10"])]


@router.post("", status_code=201, responses=problem_responses(*_CREATE) | {201: {"model": ChargeOut}})
async def authorise(request: Request, body: ChargeIn, key: IdempotencyKey) -> Response:
    """A decline is an answer like any other: 201 with its `decline_code`."""
    bank = request.app.state.resources
    return _response(
        "authorise", await usecases.authorise(bank, body.wanted(), key=key, declined=_is_declining(request))
    )


@router.post(
    "/{charge_id}/capture",
    responses=problem_responses(*_CHANGE, AmountTooLarge) | {200: {"model": ChargeOut}},
)
async def capture(request: Request, charge_id: ChargeId, body: CaptureIn, key: IdempotencyKey) -> Response:
    """Once; what is not captured is released."""
    bank = request.app.state.resources
    answer = await usecases.capture(bank, charge_id, body.amount, key=key, declined=_is_declining(request))
    return _response("capture", answer)


@router.post("/{charge_id}/void", responses=problem_responses(*_CHANGE) | {200: {"model": ChargeOut}})
async def void(request: Request, charge_id: ChargeId, _body: VoidIn, key: IdempotencyKey) -> Response:
    """Releases an authorisation that was not captured."""
    bank = request.app.state.resources
    return _response("void", await usecases.void(bank, charge_id, key=key, declined=_is_declining(request)))


@router.post(
    "/{charge_id}/refunds",
    status_code=201,
    responses=problem_responses(*_CHANGE, AmountTooLarge) | {201: {"model": RefundOut}},
)
async def refund(request: Request, charge_id: ChargeId, body: RefundIn, key: IdempotencyKey) -> Response:
    """In parts or whole; one that fails is an answer too, with its `failure_reason`."""
    bank = request.app.state.resources
    answer = await usecases.refund(
        bank, charge_id, body.amount, body.reference, key=key, declined=_is_declining(request)
    )
    return _response("refund", answer)


@router.get(
    "/{charge_id}", responses=problem_responses(*_ALWAYS, ChargeNotFound) | {200: {"model": ChargeOut}}
)
async def retrieve(request: Request, charge_id: ChargeId) -> Response:
    return _looked_up(await usecases.find(request.app.state.resources, charge_id))


@router.get("", responses=problem_responses(*_ALWAYS, ChargeNotFound) | {200: {"model": ChargeOut}})
async def find_by_key(
    request: Request, idempotency_key: Annotated[str, Query(min_length=1, max_length=255)]
) -> Response:
    """The one charge that was asked for with this key."""
    return _looked_up(await usecases.find_by_key(request.app.state.resources, idempotency_key))


def _response(operation: str, answer: Answer) -> Response:
    _REQUESTS.labels(operation, answer.outcome).inc()
    media_type = "application/json" if answer.status < _CLIENT_ERROR else problems.MEDIA_TYPE
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else None
    return Response(answer.body, answer.status, headers, media_type)


def _looked_up(charge: Charge) -> Response:
    _REQUESTS.labels("look_up", "found").inc()
    return Response(msgspec.json.encode(charge.rendered()), media_type="application/json")
