"""The only addresses that a load test may hit: this machine's own."""

import socket
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit


class TargetRefused(ValueError):  # noqa: N818 - says what happened
    """The URL does not name a loopback address over plain HTTP."""


@dataclass(frozen=True, slots=True)
class Target:
    """`address` is what was checked and what is dialled; a name is never resolved again."""

    address: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}"


def parse_target(url: str) -> Target:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise TargetRefused(f"{url}: a load test speaks http to a loopback address")
    if parts.path not in ("", "/") or parts.query:
        raise TargetRefused(f"{url}: give the base address only")
    port = parts.port or 80
    addresses = _addresses(parts.hostname, port)
    if not all(ip_address(address).is_loopback for address in addresses):
        raise TargetRefused(f"{parts.hostname} is not this machine: load tests go to loopback addresses only")
    ipv4_first = sorted(addresses, key=lambda address: ":" in address)
    return Target(ipv4_first[0], port)


def _addresses(host: str, port: int) -> list[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise TargetRefused(f"{host} does not resolve") from error
    return [str(entry[4][0]) for entry in found]
