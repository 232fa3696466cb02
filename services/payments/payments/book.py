"""The bank's book, read page by page, for the proof."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import msgspec
from pydantic import SecretStr

from payments.domain.proof import Booked
from payments.settings import PaymentsSettings

_NOT_FOUND: Final = 404


class BookAway(Exception):  # noqa: N818 a state, as the proof tells it
    """The bank did not show its book; the message says why."""


class Book:
    def __init__(self, settings: PaymentsSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client

    async def page(self, after: str, limit: int) -> tuple[list[Booked], bool]:
        """Charges after that id, oldest first, and whether there are more; raises BookAway."""
        found = await self._get(
            "/admin/book", self._settings.admin_api_key, limit=str(limit), starting_after=after
        )
        if found is None:
            raise BookAway("the bank has no /admin/book")
        return [_booked(charge) for charge in found["charges"]], found["has_more"]

    async def find(self, key: str) -> Booked | None:
        """The charge of an idempotency key; raises BookAway."""
        found = await self._get("/v1/charges", self._settings.bank_api_key, idempotency_key=key)
        return None if found is None else _booked(found)

    async def _get(self, path: str, secret: SecretStr | None, **query: str) -> dict[str, Any] | None:
        token = secret.get_secret_value() if secret is not None else ""
        try:
            answer = await self._client.get(path, params=query, headers={"Authorization": f"Bearer {token}"})
            if answer.status_code == _NOT_FOUND:
                return None
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except httpx.HTTPStatusError as error:
            raise BookAway(f"the bank answered {error.response.status_code} to {path}") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, msgspec.DecodeError) as error:
            raise BookAway(f"{path} of the bank: {type(error).__name__}") from error


def _booked(charge: dict[str, Any]) -> Booked:
    try:
        return msgspec.convert(charge, Booked)
    except msgspec.ValidationError as error:
        raise BookAway(f"the bank's book is not understood: {error}") from error


@asynccontextmanager
async def book_of(settings: PaymentsSettings) -> AsyncIterator[Book]:
    """For one proof: it is read too rarely to keep connections for."""
    async with httpx.AsyncClient(
        base_url=settings.bank_url,
        headers={"User-Agent": f"{settings.service_name}/{settings.service_version}"},
        timeout=settings.proof_book_timeout_s,
        limits=httpx.Limits(max_connections=1),
        follow_redirects=False,
        trust_env=False,
    ) as client:
        yield Book(settings, client)
