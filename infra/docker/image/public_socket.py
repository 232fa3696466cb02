"""One listening socket for all replicas of a service: `hold` owns it, `take MODULE` starts a service on it.

A container's published port leads to one container only. So a holder that never restarts opens the public
socket and passes its descriptor over a Unix socket to every replica, which accepts from it beside the others.
A replica that leaves takes no waiting connection with it, and no proxy stands in the way. The local runtime
does the same through its supervisor; the service sees HTTP_PUBLIC_FD in both. With STATSD_PORT the holder
opens that UDP port as well, and the service sees STATSD_FD.
"""

import contextlib
import fcntl
import os
import runpy
import signal
import socket
import sys
import time
from pathlib import Path

ANY = "0.0.0.0"  # noqa: S104 - the container's own network
FD_VARIABLES = ("HTTP_PUBLIC_FD", "STATSD_FD")
BACKLOG = 1024
TAKE_TIMEOUT_S = 30.0
_RETRY_S = 0.1


def hold(port: int, path: Path, *, udp_port: int | None = None) -> None:
    """Opens the public ports and hands them to whoever connects to `path`; the connection then stays open."""
    public = [socket.create_server((ANY, port), backlog=BACKLOG)]
    if udp_port is not None:
        public.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        public[-1].bind((ANY, udp_port))
    path.unlink(missing_ok=True)
    desk = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    desk.bind(str(path))
    desk.listen()
    borrowers: list[socket.socket] = []
    while True:
        borrower, _ = desk.accept()
        borrowers = [b for b in borrowers if not _gone(b)]
        with contextlib.suppress(OSError):
            socket.send_fds(borrower, [b"\0"], [one.fileno() for one in public])
            borrowers.append(borrower)


def take(path: Path, *, timeout_s: float = TAKE_TIMEOUT_S) -> list[int]:
    """The holder's sockets as descriptors. If the holder ends, this process gets SIGTERM.

    A new holder opens a new socket, so a replica must drain the old one and come again.
    """
    lender = _connect(path, time.monotonic() + timeout_s)
    lender.settimeout(timeout_s)
    _, public, _, _ = socket.recv_fds(lender, 1, len(FD_VARIABLES))
    lender.settimeout(None)
    watch = lender.detach()
    fcntl.fcntl(watch, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(watch, fcntl.F_SETSIG, signal.SIGTERM)
    fcntl.fcntl(watch, fcntl.F_SETFL, fcntl.fcntl(watch, fcntl.F_GETFL) | os.O_ASYNC)
    return public


def _connect(path: Path, deadline: float) -> socket.socket:
    while True:
        lender = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lender.connect(str(path))
        except OSError:
            lender.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)
        else:
            return lender


def _gone(borrower: socket.socket) -> bool:
    borrower.setblocking(False)
    try:
        return borrower.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def main() -> None:
    path = Path(os.environ["HTTP_PUBLIC_SOCKET"])
    match sys.argv[1:]:
        case ["hold"]:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            udp_port = os.environ.get("STATSD_PORT")
            hold(int(os.environ["HTTP_PUBLIC_PORT"]), path, udp_port=int(udp_port) if udp_port else None)
        case ["take", module]:
            os.environ.update(zip(FD_VARIABLES, map(str, take(path)), strict=False))
            sys.argv = [module]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case _:
            sys.exit("usage: python -m public_socket hold | take MODULE")


if __name__ == "__main__":
    main()
