"""PostgreSQL as an ordinary process: its binaries, its data folder, its command line."""

import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

from infra.local import account, paths
from infra.local.errors import LocalError

ADMIN = "signalbox"
_PROGRAMS = ("postgres", "initdb", "pg_isready")


def bin_dir() -> Path:
    """The newest installation; Debian keeps each version in a folder of its own, off PATH."""
    found = [p for p in Path("/usr/lib/postgresql").glob("*/bin") if _complete(p)]
    found.sort(key=lambda p: [int(n) for n in re.findall(r"\d+", p.parent.name)])
    on_path = shutil.which("postgres")
    if on_path is not None:
        found.insert(0, Path(on_path).resolve().parent)
    if not found or not _complete(found[-1]):
        raise LocalError(
            "no PostgreSQL server programs found", hint="run `make setup`, or install postgresql"
        )
    return found[-1]


def _complete(folder: Path) -> bool:
    return all((folder / name).exists() for name in _PROGRAMS)


def prepare(data: Path, *, password: str) -> None:
    """Makes the cluster unless it is there; a half-made one of an earlier run is made anew."""
    config = paths.INFRA / "postgres" / "postgresql.conf"
    if not (data / "signalbox.conf").exists():
        _init(data, password)
    target = data / "signalbox.conf"
    target.write_text(config.read_text())
    account.own(target)


def _init(data: Path, password: str) -> None:
    if data.exists():
        shutil.rmtree(data)
    data.mkdir(parents=True, mode=0o700)
    account.own(data)
    secret = data.parent / f".{data.name}.password"
    secret.touch(mode=0o600)
    account.own(secret)
    secret.write_text(password)
    command = [
        *account.drop_prefix(),
        str(bin_dir() / "initdb"),
        *("-D", str(data), "-U", ADMIN, "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"),
        *(f"--pwfile={secret}", "--no-sync", "--no-instructions"),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=120)
    finally:
        secret.unlink(missing_ok=True)
    if done.returncode != 0:
        raise LocalError(
            f"initdb failed: {done.stderr.strip() or done.stdout.strip()}",
            hint=f"is {data.parent} writable, and is the disk full? (df -h {data.parent})",
        )
    with (data / "postgresql.conf").open("a") as out:
        out.write("\ninclude 'signalbox.conf'\n")


def command(data: Path, port: int, settings: Mapping[str, str] | None = None) -> list[str]:
    """The server's command line; SIGINT is its fast shutdown, SIGTERM the one that waits for clients."""
    chosen = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", **(settings or {})}
    options = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
    return [*account.drop_prefix(), str(bin_dir() / "postgres"), "-D", str(data), "-p", str(port), *options]


def ready_by_protocol(port: int) -> bool:
    """For machines without Postgres' own programs: one that starts up answers E."""
    words = b"user\0" + ADMIN.encode() + b"\0database\0postgres\0\0"
    packet = struct.pack(">ii", 8 + len(words), 196608) + words
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as conn:
            conn.settimeout(2)
            conn.sendall(packet)
            return conn.recv(1) == b"R"
    except OSError:
        return False


def ready(port: int) -> bool:
    done = subprocess.run(
        [str(bin_dir() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"],
        check=False,
        timeout=5,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode == 0
