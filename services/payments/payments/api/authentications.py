"""The authentication page of the test mode, where a person or a test plays the holder of the card."""

import html
from typing import Final, Protocol
from urllib.parse import parse_qs, urlencode

from chassis.problems import Overloaded
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from payments.dialect.errors import Unavailable
from payments.resources import Resources
from payments.usecases import authentications, setup_authentications
from payments.usecases.authentications import Asked, NothingToAuthenticate

router = APIRouter(prefix="/authenticate", tags=["test mode"], default_response_class=HTMLResponse)

_SUCCEED, _FAIL = "succeed", "fail"
_BAD_REQUEST, _NOT_FOUND, _SEE_OTHER = 400, 404, 303
_FIELDS_MAX: Final = 16
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
}
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 1rem/1.5 sans-serif; max-width: 30rem; margin: 4rem auto; padding: 0 1rem }}
button {{ font: inherit; padding: .4rem 1rem; margin-right: .5rem }}</style>
<h1>{title}</h1>
{body}
</html>
"""
_FORM: Final = """\
<p>This is a test{what}. Nobody is charged.</p>
<form method="post">
<button name="outcome" value="succeed">Complete authentication</button>
<button name="outcome" value="fail">Fail authentication</button>
</form>"""


@router.get("/{token}", summary="What is to be authenticated")
async def show(request: Request, token: str) -> Response:
    try:
        asked = await _usecases(token).find(request.app.state.resources, token)
    except NothingToAuthenticate:
        return _gone()
    what = "" if asked.description is None else f": {html.escape(asked.description)}"
    return _page(asked.title, _FORM.format(what=what))


@router.post("/{token}", summary="Complete or fail the authentication")
async def decide(
    request: Request,
    token: str,
) -> Response:
    """Takes a form with `outcome`, `succeed` or `fail`; the payment then goes on by itself.

    The answer leads back to the intent's `return_url`, if it has one.
    """
    resources, usecases = request.app.state.resources, _usecases(token)
    outcome = await _outcome(request)
    if outcome not in {_SUCCEED, _FAIL}:
        return _page("Say how it ends", "<p>`outcome` must be succeed or fail.</p>", _BAD_REQUEST)
    try:
        asked = await usecases.find(resources, token)
        if outcome == _SUCCEED:
            paid = await usecases.succeed(resources, token)
        else:
            await usecases.fail(resources, token)
            paid = False
    except NothingToAuthenticate:
        return _gone()
    except Unavailable as error:
        raise Overloaded(error.message, headers=error.headers) from error
    if asked.return_url is not None:
        return RedirectResponse(_back(asked, paid=paid), _SEE_OTHER, headers=_HEADERS)
    if outcome == _SUCCEED:
        return _page("Authenticated", "<p>You may close this page.</p>")
    return _page("Not authenticated", "<p>The payment needs another card. You may close this page.</p>")


class _Usecases(Protocol):
    """What both modules offer; each raises NothingToAuthenticate."""

    async def find(self, res: Resources, token: str) -> Asked: ...

    async def succeed(self, res: Resources, token: str) -> bool: ...

    async def fail(self, res: Resources, token: str) -> None: ...


def _usecases(token: str) -> _Usecases:
    """Of a payment, or of a card that is set up."""
    return setup_authentications if token.startswith(setup_authentications.TOKEN_PREFIX) else authentications


async def _outcome(request: Request) -> str:
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return parse_qs(body, max_num_fields=_FIELDS_MAX).get("outcome", [""])[-1]
    except ValueError:
        return ""


def _back(asked: Asked, *, paid: bool) -> str:
    query = urlencode(
        {
            asked.noun: asked.intent_id,
            f"{asked.noun}_client_secret": asked.client_secret,
            "redirect_status": "succeeded" if paid else "failed",
        }
    )
    url = asked.return_url or ""
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _gone() -> Response:
    return _page("Nothing to authenticate", "<p>This page is out of date.</p>", _NOT_FOUND)


def _page(title: str, body: str, status: int = 200) -> Response:
    return HTMLResponse(_PAGE.format(title=html.escape(title), body=body), status, headers=_HEADERS)
