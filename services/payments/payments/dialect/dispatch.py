"""One ASGI callable for the whole dialect: route, caller, rate, parameters, key; then the use case.

It stands behind the chassis' layers and before the framework, which sees only what is not under /v1. What is
refused before the use case runs leaves an Idempotency-Key free.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from chassis.postgres import PASSING
from chassis.problems import Problem
from starlette.types import ASGIApp, Receive, Scope, Send

from payments.dialect import form
from payments.dialect.calls import Account, Answer, Call, Repeatable
from payments.dialect.envelope import Head, error_of, is_ours, send_answer
from payments.dialect.errors import (
    Forbidden,
    InvalidRequest,
    StripeError,
    Unavailable,
    UnknownRoute,
)
from payments.dialect.expand import Noun, apply
from payments.dialect.gate import Gate
from payments.dialect.routes import Route
from payments.dialect.table import Compiled, Table
from payments.domain.events import API_VERSION
from payments.resources import Resources

KEY_CHARS_MAX: Final = 255
_FORM: Final = b"application/x-www-form-urlencoded"
_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?(; ?[a-z0-9_]+=v\d+)*")


class _Gone(Exception):  # noqa: N818
    """The client left before its request was whole."""


class Dispatcher:
    """`before` is what `create_app` takes as `inner`; `open` gives it what it works with, at start-up."""

    def __init__(self, routes: Iterable[Route], nouns: Mapping[str, Noun]) -> None:
        self._table = Table(routes, nouns)
        self._app: ASGIApp
        self._res: Resources
        self._gate: Gate

    def before(self, app: ASGIApp) -> ASGIApp:
        self._app = app
        return self

    def open(self, res: Resources, gate: Gate) -> None:
        self._res, self._gate = res, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_ours(scope["path"]):
            await self._app(scope, receive, send)
            return
        head = Head.of(scope)
        limits: dict[str, str] = {}
        try:
            answer = await self._answer(scope, receive, head, limits)
        except StripeError as error:
            answer = error.answer()
        except Problem as problem:
            answer = error_of(problem).answer()
        except PASSING:
            answer = Unavailable().answer()
        except _Gone:
            return
        await send_answer(send, head, answer, limits)

    async def _answer(self, scope: Scope, receive: Receive, head: Head, limits: dict[str, str]) -> Answer:
        method, path = scope["method"], scope["path"]
        found = self._table.find(method, path)
        if found is None:
            raise _unknown_route(method, path)
        compiled, ids = found
        scope["route"] = compiled  # the label of metrics and traces
        client = scope["client"]
        caller, fields = await self._gate.admit(head.authorization, client[0] if client else "")
        limits.update(fields)
        _check_head(head, caller.account)
        params, expand = compiled.read(await self._tree(scope, receive, head))
        call = Call(
            account=caller.account,
            params=params,
            id=ids[0] if ids else "",
            ids=ids,
            once=_repeatable(method, path, head, caller.account, params),
            request_id=head.request_id,
            api_version=head.version or API_VERSION,
            expand=expand,
            noun=compiled.route.noun,
        )
        return await self._run(compiled, call)

    async def _run(self, compiled: Compiled, call: Call) -> Answer:
        outcome = await compiled.handler(self._res, call)
        if isinstance(outcome, Answer):
            return outcome
        if call.expand:
            async with self._res.db.acquire() as conn:
                outcome = await apply(self._res.nouns, conn, call, outcome)
        return Answer.of(outcome)

    async def _tree(self, scope: Scope, receive: Receive, head: Head) -> dict[str, form.Raw]:
        """The parameters of address and body; a GET has no body that counts."""
        text: bytes = scope["query_string"]
        if scope["method"] != "GET":
            body = await _body_of(receive)
            if body and head.content_type and not head.content_type.lower().startswith(_FORM):
                raise InvalidRequest(
                    "Invalid request (check that your POST content type is"
                    " application/x-www-form-urlencoded)."
                )
            text = text + b"&" + body if text and body else text or body
        settings = self._res.settings
        return form.parse(
            text,
            parameters_max=settings.parameters_max,
            depth_max=settings.parameter_depth_max,
            chars_max=settings.parameter_chars_max,
        )


async def _body_of(receive: Receive) -> bytes:
    """The whole body; the chassis bounds its size."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _check_head(head: Head, account: Account) -> None:
    if head.version is not None and not _VERSION.fullmatch(head.version):
        raise InvalidRequest(f"Invalid Stripe API version: {head.version[:40]}")
    if head.account is not None and head.account != account.id:
        raise Forbidden(
            f"The provided key does not have access to account '{head.account[:64]}' (or that account does"
            " not exist).",
            code="account_invalid",
        )


def _repeatable(
    method: str, path: str, head: Head, account: Account, params: Mapping[str, object]
) -> Repeatable | None:
    """Raises InvalidRequest for a key that cannot be one."""
    if method != "POST" or not head.keys:
        return None
    if len(head.keys) > 1:
        raise InvalidRequest("The request has more than one Idempotency-Key header: send one.")
    key = head.keys[0]
    if not key or len(key) > KEY_CHARS_MAX:
        raise InvalidRequest(
            f"An Idempotency-Key has 1 to {KEY_CHARS_MAX} characters, and this has {len(key)}."
        )
    return Repeatable.of(account.id, key, path, params)


def _unknown_route(method: str, path: str) -> UnknownRoute:
    return UnknownRoute(
        f"Unrecognized request URL ({method}: {path[:200]}). If you are trying to list objects, remove the"
        " trailing slash. If you are trying to retrieve an object, make sure that its id is not empty."
    )
