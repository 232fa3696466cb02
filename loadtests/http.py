"""A thin HTTP client for the workers: one kept connection, no redirects followed, every wait bounded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from loadtests.target import Target

TIMEOUT_S = 30.0
TRANSPORT_ERRORS = (OSError, HTTPConnectionClosed, HTTPParseError)


class Unexpected(Exception):  # noqa: N818 - an answer that the scenario did not want, counted by its text
    """What came instead of the wanted answer; the text is short and has few values, it becomes a counter."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def expect(self, *statuses: int) -> "Answer":
        if self.status not in statuses:
            raise Unexpected(f"status {self.status}")
        return self

    def json(self) -> Any:
        return json.loads(self.body)


class Http:
    """One connection to the target; not shared between workers."""

    def __init__(self, target: Target, headers: Mapping[str, str] | None = None) -> None:
        self._client = HTTPClient(
            target.address,
            target.port,
            headers={"User-Agent": "signalbox-load/1", **(headers or {})},
            connection_timeout=TIMEOUT_S,
            network_timeout=TIMEOUT_S,
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        document: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The body is a JSON document, a form, or bytes of which `headers` tell the type.

        Raises `Unexpected` for what went wrong below HTTP.
        """
        content, told = (body, {}) if body is not None else _encoded(document, form)
        try:
            response = self._client.request(method, path, content, {**(headers or {}), **told})
            try:
                return Answer(response.status_code, dict(response.items()), bytes(response.read()))
            finally:
                response.release()
        except TRANSPORT_ERRORS as error:
            raise Unexpected(type(error).__name__) from error

    def close(self) -> None:
        self._client.close()


def _encoded(document: Any, form: Mapping[str, str] | None) -> tuple[bytes, dict[str, str]]:
    if form is not None:
        return urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    if document is None:
        return b"", {}
    return json.dumps(document).encode(), {"Content-Type": "application/json"}
