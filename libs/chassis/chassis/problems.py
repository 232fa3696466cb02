"""Errors as RFC 9457 problem documents.

Problem                 status, code and title are the type's; detail, members and headers the instance's
+-- BadRequest 400 bad_request            +-- RouteUnknown 404 not_found
+-- MalformedBody 400 malformed_body      +-- MethodNotAllowed 405 method_not_allowed
+-- Unauthorized 401 unauthorized         +-- BodyTooLarge 413 body_too_large
+-- Forbidden 403 forbidden               +-- ValidationFailed 422 validation_error
+-- TooManyRequests 429 rate_limited      +-- InternalError 500 internal_error
+-- Overloaded 503 overloaded             +-- DeadlineExceeded 504 deadline_exceeded
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, ClassVar

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from opentelemetry import trace
from pydantic import AfterValidator
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

from chassis.logs import get_logger, request_context

MEDIA_TYPE = "application/problem+json"
_ERRORS_MAX = 100
_encoder = msgspec.json.Encoder(enc_hook=str)
_log = get_logger(__name__)


class Problem(Exception):  # noqa: N818 the RFC's word
    """Raise it anywhere below the API; `members` are extension members of the document."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        instance: str | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.headers = dict(headers or {})
        self.instance = instance
        self.members = members


class BadRequest(Problem):
    status, code, title = 400, "bad_request", "The request cannot be understood"


class MalformedBody(Problem):
    status, code, title = 400, "malformed_body", "The body cannot be parsed"


class Unauthorized(Problem):
    status, code, title = 401, "unauthorized", "A valid API key is needed"


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "This key may not do that"


class RouteUnknown(Problem):
    status, code, title = 404, "not_found", "There is nothing here"


class MethodNotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "The method is not allowed here"


class BodyTooLarge(Problem):
    status, code, title = 413, "body_too_large", "The body is too large"


class ValidationFailed(Problem):
    status, code, title = 422, "validation_error", "The request is not valid"


class TooManyRequests(Problem):
    status, code, title = 429, "rate_limited", "Too many requests"


class InternalError(Problem):
    status, code, title = 500, "internal_error", "Something went wrong on our side"


class Overloaded(Problem):
    status, code, title = 503, "overloaded", "The service is overloaded"


class DeadlineExceeded(Problem):
    status, code, title = 504, "deadline_exceeded", "The deadline of the request has passed"


def type_uri(code: str) -> str:
    return f"urn:signalbox:problem:{code}"


def document(problem: Problem) -> dict[str, Any]:
    """The members of the body, those of the request in progress included."""
    context = request_context.get()
    body: dict[str, Any] = {
        "type": type_uri(problem.code),
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": context.request_id if context else None,
        "trace_id": context.trace_id if context else None,
    }
    if problem.instance is not None:
        body["instance"] = problem.instance
    return body | problem.members


def encode(problem: Problem) -> bytes:
    """The body; text that JSON cannot carry (lone surrogates) is replaced."""
    try:
        return _encoder.encode(document(problem))
    except UnicodeEncodeError:
        return _encoder.encode(_printable(document(problem)))


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_printable(item) for item in value]
    return value


def response(problem: Problem) -> Response:
    return Response(encode(problem), problem.status, problem.headers, MEDIA_TYPE)


async def send_problem(send: Send, problem: Problem) -> None:
    """For ASGI code that stands before the framework."""
    body = encode(problem)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *(
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in problem.headers.items()
        ),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457 problem document.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id", "trace_id"],
    "properties": {
        "type": {"type": "string", "examples": [type_uri("validation_error")]},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "examples": ["validation_error"]},
        "request_id": {"type": ["string", "null"]},
        "trace_id": {"type": ["string", "null"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
SCHEMA_REF = {"$ref": "#/components/schemas/Problem"}


def problem_responses(*types: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route: one entry a status, one example a code."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in types:
        example = {
            "type": type_uri(kind.code),
            "title": kind.title,
            "status": kind.status,
            "detail": kind.title,
            "code": kind.code,
            "request_id": "0d3f2a52-6f43-4f0e-9d4b-1c5d7f7f3a10",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        }
        entry = responses.setdefault(
            kind.status,
            {"description": kind.title, "content": {MEDIA_TYPE: {"schema": SCHEMA_REF, "examples": {}}}},
        )
        entry["content"][MEDIA_TYPE]["examples"][kind.code] = {"summary": kind.title, "value": example}
        if kind.title not in entry["description"]:
            entry["description"] += f"; {kind.title}"
    return responses


def install(app: FastAPI) -> None:
    """Every error of the app, foreseen or not, leaves as a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    # As a handler of the app it would go to Starlette's outermost layer, which answers and raises again, and
    # the server then closes the connection. In a layer of its own it is an answer like any other.
    app.add_middleware(ExceptionMiddleware, handlers={Exception: _on_unforeseen})


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 Starlette picked this handler by type
    return response(error)


async def _on_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    errors = error.errors()
    if any(item["type"] == "json_invalid" for item in errors):
        return response(MalformedBody("The body is not valid JSON."))
    listed = [{"pointer": pointer(item["loc"]), "detail": str(item["msg"])} for item in errors[:_ERRORS_MAX]]
    count = len(errors)
    noun = "value is" if count == 1 else "values are"
    return response(ValidationFailed(f"{count} {noun} not valid.", errors=listed))


async def _on_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    problem = from_status(error.status_code, str(error.detail))
    problem.headers |= dict(error.headers or {})
    return response(problem)


async def _on_unforeseen(_request: Request, error: Exception) -> Response:
    note_unforeseen(error)
    return response(InternalError())


def note_unforeseen(error: Exception) -> None:
    trace.get_current_span().record_exception(error)
    _log.error("request.failed", error=type(error).__name__, exc_info=error)


_BY_STATUS: dict[int, type[Problem]] = {
    kind.status: kind
    for kind in (
        MalformedBody,
        Unauthorized,
        Forbidden,
        RouteUnknown,
        MethodNotAllowed,
        BodyTooLarge,
        ValidationFailed,
        TooManyRequests,
        InternalError,
        Overloaded,
        DeadlineExceeded,
    )
}


def from_status(status: int, detail: str) -> Problem:
    """The problem of a bare HTTP status, such as the framework raises for an unknown route."""
    kind = _BY_STATUS.get(status)
    if kind is None:
        phrase = HTTPStatus(status).phrase
        code = phrase.lower().replace(" ", "_").replace("-", "_").replace("'", "")
        kind = type("HttpProblem", (Problem,), {"status": status, "code": code, "title": phrase})
    return kind(None if detail == HTTPStatus(status).phrase else detail)


def pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer from pydantic's location: `/body/links/3/url`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def check_text(value: str) -> str:
    """Refuses what no database text can hold: NUL and lone surrogates. Raises ValueError."""
    if "\x00" in value:
        raise ValueError("must not contain the NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode text") from None
    return value


Text = Annotated[str, AfterValidator(check_text)]
"""A string of a request model that ends in a database."""
