"""How code before the framework answers with a problem: the house's envelope, or the service's own."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.problems import InternalError, Problem, from_status, note_unforeseen, send_problem

Refuse = Callable[[Scope, Send, Problem], Awaitable[None]]
"""Answers with a problem; the scope tells whose envelope it gets."""


async def refuse(_scope: Scope, send: Send, problem: Problem) -> None:
    """The house's own envelope: RFC 9457."""
    await send_problem(send, problem)


class _Refusal(Response):
    """A problem as a response that is rendered when the request's scope is known."""

    def __init__(self, problem: Problem, how: Refuse) -> None:
        super().__init__(status_code=problem.status)
        self._problem, self._how = problem, how

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await self._how(scope, send, self._problem)


def guarded(app: ASGIApp, how: Refuse) -> ASGIApp:
    """For a callable that stands before the framework: what it did not foresee is logged and answered."""

    async def on_http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 Starlette picked this handler by type
        return _Refusal(from_status(error.status_code, str(error.detail)), how)

    async def on_unforeseen(_request: Request, error: Exception) -> Response:
        note_unforeseen(error)
        return _Refusal(InternalError(), how)

    return ExceptionMiddleware(app, handlers={HTTPException: on_http, Exception: on_unforeseen})
