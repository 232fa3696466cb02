"""The container's health check: exit 0 when the service is ready. Plain sockets: it starts at once."""

import os
import socket
import sys

TIMEOUT_S = 2.0


def ready(port: int, path: str) -> bool:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: probe\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as conn:
            conn.sendall(request.encode())
            status = conn.makefile("rb").readline(256)
    except OSError:
        return False
    return status.split(b" ")[1:2] == [b"200"]


if __name__ == "__main__":
    sys.exit(0 if ready(int(os.environ["HTTP_PORT"]), os.environ.get("PROBE_PATH", "/readyz")) else 1)
