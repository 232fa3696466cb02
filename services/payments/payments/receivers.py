"""Sending one webhook: to where its endpoint may be, by the chassis' guarded POST."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from chassis import egress
from chassis.egress import Resolver
from chassis.posts import ADDRESS_REFUSED, Posts, Reply
from chassis.weburls import Allowed, UrlRefused

from payments.domain.webhook_endpoints import receiver
from payments.settings import PaymentsSettings

USER_AGENT: Final = "Signalbox-Webhooks/1.0"


class Receivers:
    def __init__(
        self, settings: PaymentsSettings, allowed: Allowed, *, resolver: Resolver = egress.resolve
    ) -> None:
        self._allowed = allowed
        self._posts = Posts(
            connections_max=settings.webhook_inflight_max,
            connect_timeout_s=settings.webhook_connect_timeout_s,
            timeout_s=settings.webhook_timeout_s,
            excerpt_chars_max=settings.webhook_response_chars_max,
            allowed=allowed,
            resolver=resolver,
        )

    async def __aenter__(self) -> Self:
        await self._posts.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._posts.__aexit__(kind, error, trace)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """What became of it; an address that may not be called is a reply too."""
        started = time.perf_counter()
        try:
            target = receiver(url, self._allowed)
        except UrlRefused:
            return Reply(None, ADDRESS_REFUSED, None, time.perf_counter() - started)
        return await self._posts.send(target, headers, body)
