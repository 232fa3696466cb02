"""Asks for many slugs once each, over a few connections."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

CONNECTIONS = 8


def visit_all(url: str, slugs: Sequence[str]) -> None:
    """Raises when a slug is not answered by a redirect."""
    port = int(url.rpartition(":")[2])
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(lambda part: _visit(port, slugs[part::CONNECTIONS]), range(CONNECTIONS)))


def _visit(port: int, slugs: Sequence[str]) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    for slug in slugs:
        connection.request("GET", f"/{slug}")
        response = connection.getresponse()
        response.read()
        if response.status not in {301, 302, 307, 308}:
            raise RuntimeError(f"/{slug} answered {response.status}")
    connection.close()
