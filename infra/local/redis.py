"""Redis as an ordinary process: command line and readiness."""

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from infra.local import paths
from infra.local.errors import LocalError


def _program() -> str:
    program = shutil.which("redis-server")
    if program is None:
        raise LocalError("redis-server is missing", hint="run `make setup`, or install redis-server")
    return program


def command(data: Path, port: int, settings: Mapping[str, str] | None = None) -> list[str]:
    program = _program()
    data.mkdir(parents=True, exist_ok=True)
    chosen = {"port": str(port), "bind": "127.0.0.1", "dir": str(data), **(settings or {})}
    options = [word for name, value in chosen.items() for word in (f"--{name}", value)]
    return [program, str(paths.INFRA / "redis" / "redis.conf"), *options]


def prepare(data: Path, port: int, password: str) -> None:
    """The password stands in a file: a command line is for all to see."""
    data.mkdir(parents=True, exist_ok=True)
    text = f"""\
include '{paths.INFRA / "redis" / "redis.conf"}'
port {port}
bind 127.0.0.1
dir '{data}'
requirepass {password}
set-proc-title no
"""
    config = data / "redis.conf"
    config.touch(mode=0o600)
    config.write_text(text)


def command_with_file(data: Path) -> list[str]:
    return [_program(), str(data / "redis.conf")]


def ready(port: int) -> bool:
    """A server that asks for a password is up too; one that loads its data is not."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as conn:
            conn.settimeout(1)
            conn.sendall(b"PING\r\n")
            answer = conn.recv(64)
    except OSError:
        return False
    return answer.startswith((b"+PONG", b"-NOAUTH"))
