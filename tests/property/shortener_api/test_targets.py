"""Targets: whatever is accepted is safe, and whatever is thrown at the parser ends in one of two ways."""

import ipaddress
from urllib.parse import urlsplit

from chassis import weburls
from chassis.weburls import UrlRefused
from hypothesis import given
from hypothesis import strategies as st
from shortener.domain import targets

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
hosts = st.one_of(
    st.from_regex(r"[a-z0-9.-]{1,30}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.builds(lambda n: str(int(n)), st.ip_addresses(v=4)),
    st.builds(lambda n: hex(int(n)), st.ip_addresses(v=4)),
    st.builds(lambda n: ".".join(oct(b).replace("o", "") for b in n.packed), st.ip_addresses(v=4)),
    st.builds(lambda a: f"[{a}]", st.ip_addresses(v=6)),
)
urls = st.builds(
    lambda scheme, host, tail: f"{scheme}://{host}{tail}",
    st.sampled_from(["http", "https", "HTTP", "ftp"]),
    hosts,
    st.text(max_size=30),
)


@given(st.one_of(urls, st.text(max_size=60)))
def test_an_accepted_target_is_an_ascii_web_address_of_a_public_host(raw: str) -> None:
    try:
        url = targets.parse(raw)
    except UrlRefused:
        return
    parts = urlsplit(url)
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
    assert len(url) <= 2048
    assert parts.scheme in {"http", "https"}
    assert parts.username is None
    host = parts.hostname or ""
    assert "." in host or ":" in host
    try:
        assert weburls.is_public(ipaddress.ip_address(host))
    except ValueError:
        assert not host.rsplit(".", 1)[-1].isdigit()
    assert targets.parse(url) == url


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_alike_in_every_wrapping(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    nat64 = int(ipaddress.IPv6Address("64:ff9b::")) | number
    mapped = int(ipaddress.IPv6Address("::ffff:0:0")) | number
    six_to_four = (0x2002 << 112) | (number << 80)
    for wrapped in (nat64, mapped, six_to_four):
        assert weburls.is_public(ipaddress.IPv6Address(wrapped)) == weburls.is_public(address)


@given(addresses.filter(lambda address: not address.is_global))
def test_no_address_outside_the_public_internet_is_a_target(address: weburls.Address) -> None:
    if isinstance(address, ipaddress.IPv6Address) and weburls.is_public(address):
        return  # it wraps a public IPv4 address
    host = f"[{address}]" if address.version == 6 else str(address)
    try:
        targets.parse(f"http://{host}/")
    except UrlRefused:
        return
    raise AssertionError(host)
