"""Free TCP ports on loopback."""

import socket


def free_port() -> int:
    """Free at this moment; whoever binds it must cope with a rare loss of the race."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
