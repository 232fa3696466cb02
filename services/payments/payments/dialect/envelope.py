"""Answers as they leave: the dialect's header fields, and its envelope around what others refuse."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chassis import problems
from chassis.logs import request_context
from chassis.problems import Problem
from starlette.types import Scope, Send

from payments.dialect.calls import Answer
from payments.dialect.errors import (
    ApiError,
    BodyTooLarge,
    InvalidRequest,
    RateLimited,
    StripeError,
    Unauthorized,
    UnknownRoute,
)
from payments.domain.events import API_VERSION

PREFIX: Final = "/v1/"

_JSON: Final = (b"content-type", b"application/json")
_NO_STORE: Final = (b"cache-control", b"no-cache, no-store")
_REQUEST_ID: Final = "Request-Id"
_HEADER_CHARS_MAX: Final = 255
_TRACE_ID_DIGITS: Final = 32


def is_ours(path: str) -> bool:
    """Whether the dialect answers here; other paths are the framework's."""
    return path.startswith(PREFIX) or path == PREFIX[:-1]


@dataclass(slots=True)
class Head:
    """What the header fields of a request say, and the id that its answer gets."""

    request_id: str
    authorization: bytes | None = None
    version: str | None = None
    keys: tuple[str, ...] = ()
    account: str | None = None
    content_type: bytes = b""

    @classmethod
    def of(cls, scope: Scope) -> "Head":
        head = cls(_request_id())
        own_id = True
        for name, value in scope["headers"]:
            match name:
                case b"authorization":
                    head.authorization = value
                case b"idempotency-key":
                    head.keys += (value.decode("latin-1").strip(),)
                case b"stripe-version":
                    head.version = value.decode("latin-1").strip()
                case b"stripe-account":
                    head.account = value.decode("latin-1").strip()
                case b"content-type":
                    head.content_type = value
                case b"x-request-id":
                    own_id = False
        if not own_id:
            # The caller's id may name many requests; this one must be told from them.
            head.request_id = "req_" + secrets.token_hex(_TRACE_ID_DIGITS // 2)
        return head


def _request_id() -> str:
    """`req_` and the id that stands in our logs, so that either finds the other."""
    context = request_context.get()
    return "req_" + (context.request_id if context is not None else secrets.token_hex(_TRACE_ID_DIGITS // 2))


async def send_answer(send: Send, head: Head, answer: Answer, limits: Mapping[str, str]) -> None:
    headers = [
        _JSON,
        (b"content-length", str(len(answer.body)).encode()),
        _NO_STORE,
        (b"request-id", head.request_id.encode()),
        (b"stripe-version", _echo(head.version or API_VERSION)),
    ]
    if len(head.keys) == 1:
        headers.append((b"idempotency-key", _echo(head.keys[0])))
    for name, value in answer.headers.items():
        if name == _REQUEST_ID:
            if answer.replayed:
                headers += ((b"original-request", value.encode()), (b"idempotent-replayed", b"true"))
        else:
            headers.append((name.lower().encode(), value.encode("latin-1")))
    for name, value in limits.items():
        headers.append((name.lower().encode(), value.encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _echo(value: str) -> bytes:
    return value[:_HEADER_CHARS_MAX].encode("latin-1")


async def refuse(scope: Scope, send: Send, problem: Problem) -> None:
    """For the chassis: what its layers refuse, in the envelope of whoever is asked."""
    if is_ours(scope["path"]):
        await send_answer(send, Head.of(scope), error_of(problem).answer(), {})
    else:
        await problems.send_problem(send, problem)


def error_of(problem: Problem) -> StripeError:
    """The same refusal in the dialect."""
    text = problem.detail
    match problem.status:
        case 401:
            return Unauthorized(text)
        case 404:
            return UnknownRoute(text)
        case 413:
            return BodyTooLarge(f"The request is too large. {text}")
        case 429:
            return RateLimited(problem.headers)
        case status if status < ApiError.status:
            error: StripeError = InvalidRequest(text, headers=problem.headers)
        case 503:
            error = ApiError(text, headers={"Stripe-Should-Retry": "true"} | problem.headers)
        case _:
            error = ApiError(headers=problem.headers)
    error.http_status = problem.status
    return error
