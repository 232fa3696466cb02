"""The official SDK behind one face, so that each test drives its sync and its async client."""

import asyncio
from collections.abc import Callable
from typing import Any

import stripe


class Noun:
    """`await noun.create({...})` is `service.create(...)` in a thread or `service.create_async(...)`."""

    def __init__(self, service: Any, *, is_async: bool) -> None:
        self._service, self._is_async = service, is_async

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._service, name)
        if not callable(found):
            return Noun(found, is_async=self._is_async)
        return getattr(self._service, f"{name}_async") if self._is_async else _in_thread(found)


def _in_thread(method: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(method, *arguments, **named)

    return call


class Sdk:
    """A `StripeClient` as a merchant makes it: his key, our address, and the SDK's own retries.

    Their number is the SDK's default, which a client that is not told takes for none.
    """

    def __init__(self, url: str, api_key: str, *, is_async: bool) -> None:
        http: Any = stripe.HTTPXClient() if is_async else stripe.RequestsClient()
        self.client = stripe.StripeClient(
            api_key,
            base_addresses={"api": url},
            http_client=http,
            max_network_retries=stripe.max_network_retries,
        )
        self.is_async = is_async
        self._http = http

    def __getattr__(self, noun: str) -> Noun:
        return Noun(getattr(self.client.v1, noun), is_async=self.is_async)

    async def raw(self, method: str, path: str, **params: Any) -> Any:
        """For routes that are ours alone; the answer as plain data."""
        if self.is_async:
            answer = await self.client.raw_request_async(method, path, **params)
        else:
            answer = await asyncio.to_thread(self.client.raw_request, method, path, **params)
        return answer.data

    async def every(self, page: Any) -> list[Any]:
        """Auto-pagination to the end."""
        if self.is_async:
            return [item async for item in page.auto_paging_iter()]
        return await asyncio.to_thread(lambda: list(page.auto_paging_iter()))

    async def close(self) -> None:
        if self.is_async:
            await self._http.close_async()
        else:
            self._http.close()


def is_a(thing: Any, kind: type) -> bool:
    """`isinstance`, without mypy taking each optional field of the SDK's types for a None from here on."""
    return isinstance(thing, kind)
