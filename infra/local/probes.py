"""Whether a process answers: its own readiness for `up`, a mere connection for `status`."""

import http.client
import socket

from infra.local import kafka, postgres, redis
from infra.local.catalog import Process

_HTTP_OK = 200


def listens(port: int, timeout_s: float = 0.2) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s):
            return True
    except OSError:
        return False


def ready(process: Process) -> bool:
    match process.name:
        case "postgres":
            return postgres.ready(process.port)
        case "redis":
            return redis.ready(process.port)
        case "kafka":
            return kafka.ready(process.port)
        case _:
            return _http_ok(process.port, process.program.ready_path or "/")


def _http_ok(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == _HTTP_OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
