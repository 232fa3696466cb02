"""The dialler: the address that was judged is the one that is dialled, whatever a name says later."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore
import pytest
from chassis.egress import ADDRESSES_MAX, AddressRefused, GuardedBackend
from chassis.weburls import Address, Allowed

PUBLIC, OTHER, INNER = "93.184.216.34", "2606:2800:220:1::1", "169.254.169.254"


class Names:
    """A resolver whose answers change with every question; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[Address]:
        assert port == 443
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ipaddress.ip_address(word) for word in answer]


class Dials:
    """Notes what is dialled; `dead` addresses refuse."""

    def __init__(self, dead: Iterable[str] = ()) -> None:
        self.dead = set(dead)
        self.dialled: list[str] = []

    async def connect_tcp(self, host: str, *_: Any, **__: Any) -> str:
        self.dialled.append(host)
        if host in self.dead:
            raise httpcore.ConnectError("refused")
        return f"stream to {host}"


def backend(
    names: Names, *, allowed: Allowed | None = None, dead: Iterable[str] = ()
) -> tuple[GuardedBackend, Dials]:
    guarded, dials = GuardedBackend(allowed or Allowed(), names), Dials(dead)
    guarded._dial = dials  # type: ignore[assignment]
    return guarded, dials


async def test_a_name_that_turns_private_after_it_was_judged_is_dialled_where_it_was_judged() -> None:
    names = Names([PUBLIC], [INNER])
    guarded, dials = backend(names)
    await guarded.connect_tcp("hooks.example.com", 443, 1.0)
    assert (names.asked, dials.dialled) == (["hooks.example.com"], [PUBLIC])
    with pytest.raises(AddressRefused):
        await guarded.connect_tcp("hooks.example.com", 443, 1.0)
    assert dials.dialled == [PUBLIC]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", INNER, "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "64:ff9b::a00:1"]
)
async def test_a_name_of_a_private_address_is_not_dialled(address: str) -> None:
    guarded, dials = backend(Names([address]))
    with pytest.raises(AddressRefused):
        await guarded.connect_tcp("hooks.example.com", 443, 1.0)
    assert dials.dialled == []


async def test_of_mixed_addresses_only_public_ones_are_dialled() -> None:
    guarded, dials = backend(Names([INNER, PUBLIC, "10.0.0.1", OTHER]), dead=[PUBLIC])
    await guarded.connect_tcp("hooks.example.com", 443, 1.0)
    assert dials.dialled == [PUBLIC, OTHER]


async def test_a_bounded_number_of_addresses_is_tried() -> None:
    many = [f"93.184.216.{number}" for number in range(50)]
    guarded, dials = backend(Names(many), dead=many)
    with pytest.raises(httpcore.ConnectError):
        await guarded.connect_tcp("hooks.example.com", 443, 1.0)
    assert len(dials.dialled) == ADDRESSES_MAX


async def test_a_literal_address_is_judged_without_a_resolver() -> None:
    names = Names([PUBLIC])
    guarded, dials = backend(names)
    for literal in (INNER, "127.0.0.1", "::1", "[::1]"):
        with pytest.raises(AddressRefused):
            await guarded.connect_tcp(literal, 443, 1.0)
    await guarded.connect_tcp(PUBLIC, 443, 1.0)
    assert (names.asked, dials.dialled) == ([], [PUBLIC])


async def test_the_allow_list_covers_names_addresses_and_networks() -> None:
    allowed = Allowed.of(["localhost", "::1", "10.1.0.0/16"])
    guarded, dials = backend(Names(["127.0.0.1"]), allowed=allowed)
    await guarded.connect_tcp("localhost", 443, 1.0)
    await guarded.connect_tcp("::1", 443, 1.0)
    await guarded.connect_tcp("10.1.2.3", 443, 1.0)
    assert dials.dialled == ["127.0.0.1", "::1", "10.1.2.3"]
    # A name that nobody allowed does not borrow the allowed name's address.
    with pytest.raises(AddressRefused):
        await guarded.connect_tcp("evil.example.com", 443, 1.0)


async def test_files_are_no_receivers() -> None:
    guarded, _ = backend(Names([PUBLIC]))
    with pytest.raises(AddressRefused):
        await guarded.connect_unix_socket("/run/docker.sock")
