"""An HTTP server that stalls on purpose, so that the truth about its latency is known beforehand."""

import asyncio
import os
import time

from starlette.types import Receive, Scope, Send

PERIOD_S = float(os.environ.get("STALL_PERIOD_S", "10"))
STALL_S = float(os.environ.get("STALL_S", "1"))
LOCATION = (b"location", b"https://example.com/")


def true_p99_ms(period_s: float, stall_s: float) -> float:
    """Of evenly spread arrivals stall/period wait, evenly between 0 and the stall; others take no time."""
    waiting = stall_s / period_s
    return max(0.0, stall_s * (1 - 0.01 / waiting)) * 1000


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """In the first `STALL_S` of every `PERIOD_S` nothing is answered; then all that waited is, at once."""
    if scope["type"] != "http":
        return
    del receive
    phase_s = time.monotonic() % PERIOD_S
    if phase_s < STALL_S and scope["path"] != "/healthz":
        await asyncio.sleep(STALL_S - phase_s)
    headers = [LOCATION, (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 302, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
