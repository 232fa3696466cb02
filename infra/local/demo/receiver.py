"""A merchant's webhook receiver: takes what is posted to it, answers 200, and keeps it to be checked."""

import asyncio
import subprocess
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

KEPT_MAX = 1_000
READ_TIMEOUT_S = 10.0
BODY_BYTES_MAX = 1024 * 1024
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
# The name by which a container reaches this machine (docker-compose.yml), and the bridge it comes in by.
_HOST_OF_CONTAINERS = "host.docker.internal"
_GATEWAY = "{{(index .IPAM.Config 0).Gateway}}"


@dataclass(frozen=True, slots=True)
class Delivery:
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    url: str = ""
    deliveries: deque[Delivery] = field(default_factory=lambda: deque(maxlen=KEPT_MAX))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever hangs up or sends nonsense is not this demo's business.
        with suppress(OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(READ_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                headers = _headers(head.decode("latin-1"))
                length = min(int(headers.get("content-length", "0")), BODY_BYTES_MAX)
                self.deliveries.append(Delivery(headers, await reader.readexactly(length)))
                writer.write(_ANSWER)
                await writer.drain()
        writer.close()


def _headers(head: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.split("\r\n")[1:] if ":" in line)
    return {name.lower(): value.strip() for name, _, value in pairs}


@asynccontextmanager
async def receiving(*, from_containers: bool) -> AsyncIterator[Receiver]:
    """Listens on a free port of an address that the worker reaches, and nobody outside this machine."""
    address, name = ("127.0.0.1", "127.0.0.1")
    if from_containers:
        address, name = await asyncio.to_thread(_gateway), _HOST_OF_CONTAINERS
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, address, 0)
    receiver.url = f"http://{name}:{server.sockets[0].getsockname()[1]}/webhooks"
    async with server:
        yield receiver


def _gateway() -> str:
    """The bridge's own address, where this machine has it; Docker Desktop leads the name to loopback."""
    command = ["docker", "network", "inspect", "bridge", "--format", _GATEWAY]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=READ_TIMEOUT_S)
    found = done.stdout.strip()
    listed = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=False)
    return found if found and f" {found}/" in listed.stdout else "127.0.0.1"
