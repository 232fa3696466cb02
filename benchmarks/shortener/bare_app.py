"""The least that a redirect can be: one ASGI callable with a constant answer, on the chassis' own uvicorn."""

import os

from chassis.server import serve
from chassis.settings import ChassisSettings
from starlette.types import Receive, Scope, Send

HEADERS = [
    (b"location", b"https://example.com/articles/2026/11/a-page-with-a-name-of-usual-length?ref=bench"),
    (b"cache-control", b"private, no-store"),
    (b"content-length", b"0"),
]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    await send({"type": "http.response.start", "status": 302, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b""})


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


if __name__ == "__main__":
    serve(app, ChassisSettings(service_name="bare", http_port=int(os.environ["HTTP_PORT"]), drain_s=0.1))
