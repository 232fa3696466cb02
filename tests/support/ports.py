"""Free TCP ports on loopback."""

import random
import socket


def free_port() -> int:
    """Free at this moment; whoever binds it must cope with a rare loss of the race."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def free_block(size: int, *, attempts: int = 50) -> int:
    """The first of `size` neighbouring ports that are all free at this moment, below the ephemeral range."""
    dice = random.Random()  # noqa: S311  (no secret)
    for _ in range(attempts):
        start = dice.randrange(20_000, 32_000 - size)
        if all(_is_free(port) for port in range(start, start + size)):
            return start
    raise AssertionError(f"no {size} neighbouring free ports found")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
