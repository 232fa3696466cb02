"""What a caller learns of its limits: fields on every answer, 429 past them."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.problems import TooManyRequests
from chassis.ratelimit.limits import Decision, headers

_STATE = "ratelimit_headers"


def fields_of(decision: Decision) -> Mapping[str, str]:
    """The header fields of what was let through. Raises TooManyRequests, which carries them too."""
    fields = headers(decision)
    if not decision.allowed:
        raise TooManyRequests(f"The limit of this {decision.limit.name} is reached.", headers=fields)
    return fields


def announce(request: Request, decision: Decision) -> None:
    """`RateLimitHeaders` puts them on the answer. Raises TooManyRequests."""
    request.scope["state"][_STATE] = fields_of(decision)


class RateLimitHeaders:
    """Adds the limiter's fields to whatever the answer turns out to be, problems included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start" and _STATE in state:
                fields = [(name.lower().encode(), value.encode()) for name, value in state[_STATE].items()]
                message["headers"] = [*message.get("headers", ()), *fields]
            await send(message)

        await self._app(scope, receive, sender)
