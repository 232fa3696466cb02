"""Requests to addresses that strangers named: each name is resolved, judged, and the judged address dialled.

The guard stands where the connection is made, so that no name that changes between a check and the dial, no
redirect and no second resolver gets past it. TLS and the Host header keep the name.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import httpcore

from chassis.weburls import NOBODY, Address, Allowed, is_public

Resolver = Callable[[str, int], Awaitable[Sequence[Address]]]

# Of a name's addresses, as many are tried: an attempt's time is for talking, not for dialling.
ADDRESSES_MAX: Final = 4


class AddressRefused(OSError):  # noqa: N818 - a state of the receiver
    """The host is, or resolves to nothing but, addresses that are not of the public internet."""


async def resolve(host: str, port: int) -> list[Address]:
    """What the system says, in its order of preference; OSError when it knows no such name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # A scope ("%eth0") cannot be part of a public address: it stays, so that the address is refused.
    return list(dict.fromkeys(ipaddress.ip_address(info[4][0]) for info in found))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """The `network_backend` of an httpcore pool: dials public addresses and `allowed` ones, nothing else."""

    def __init__(self, allowed: Allowed = NOBODY, resolver: Resolver = resolve) -> None:
        self._allowed = allowed
        self._resolve = resolver
        self._dial = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signatures are httpcore's
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """`timeout` spans resolving and every dial."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._addresses(host, port)
                return await self._connect(addresses, port, timeout, list(socket_options or ()))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host}:{port} did not answer within {timeout} s") from error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        raise AddressRefused(f"{path} is a file")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> list[Address]:
        name = host.strip("[]").lower()
        try:
            found: Sequence[Address] = [ipaddress.ip_address(name)]
        except ValueError:
            found = await self._resolve(name, port)
            if name in self._allowed.names:
                return list(found[:ADDRESSES_MAX])
        good = [address for address in found if is_public(address) or self._allowed.covers(address)]
        if not good:
            raise AddressRefused(f"{host} is not on the public internet")
        return good[:ADDRESSES_MAX]

    async def _connect(
        self,
        addresses: Sequence[Address],
        port: int,
        timeout: float | None,  # noqa: ASYNC109
        options: list[httpcore.SOCKET_OPTION],
    ) -> httpcore.AsyncNetworkStream:
        share = None if timeout is None else timeout / len(addresses)
        *others, last = addresses
        for address in others:
            try:
                return await self._dial.connect_tcp(str(address), port, share, socket_options=options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._dial.connect_tcp(str(last), port, share, socket_options=options)
