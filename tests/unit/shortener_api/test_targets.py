"""Which URLs a link may lead to."""

# ruff: noqa: RUF001  look-alikes are what is tested

import ipaddress

import pytest
from chassis import weburls
from chassis.weburls import UrlRefused
from shortener.domain import targets
from shortener.domain.targets import PublicHost

OWN = frozenset({PublicHost.of("http://127.0.0.1:8010"), PublicHost.of("https://sho.rt")})


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("https://example.com", "https://example.com"),
        ("HTTP://Example.COM/Path?Q=1#F", "http://example.com/Path?Q=1#F"),
        ("https://example.com?x=1", "https://example.com?x=1"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://example.com/%7Ea%zz{x}|y^", "https://example.com/%7Ea%zz{x}|y^"),
        ("https://example.com/\"<b>'", "https://example.com/%22%3Cb%3E'"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
        ("http://[2606:4700:0::1111]:8080/x", "http://[2606:4700::1111]:8080/x"),
        ("http://a_b.example.com./", "http://a_b.example.com/"),
    ],
)
def test_a_safe_target_is_stored_as_it_was_sent_with_an_ascii_host(raw: str, stored: str) -> None:
    assert targets.parse(raw, OWN) == stored
    assert targets.parse(stored, OWN) == stored


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("example.com", "url_scheme"),
        ("//example.com", "url_scheme"),
        ("http:/example.com", "url_scheme"),
        ("javascript://example.com/%0aalert(1)", "url_scheme"),
        ("data:text/html,x", "url_scheme"),
        ("http://", "url_host"),
        ("http:///path", "url_host"),
        ("http://user@example.com", "url_userinfo"),
        ("http://8.8.8.8@127.0.0.1", "url_userinfo"),
        ("http://example.com\\@evil.example", "url_characters"),
        ("http://example.com/\nX: y", "url_characters"),
        ("http://example.com/\x7f", "url_characters"),
        ("http://exa\u00admple.com/", "url_characters"),
        ("http://example.com/a b", "url_characters"),
        ("http://example.com:0/", "url_port"),
        ("http://example.com:65536/", "url_port"),
        ("http://example.com:+80/", "url_port"),
        ("http://example.com:٨٠/", "url_port"),
        ("http://ex%61mple.com/", "url_host"),
        ("http://exa..mple.com/", "url_host"),
        ("http://xn--a/", "url_host"),
        ("http://*.example.com/", "url_host"),
        ("http://[::1/", "url_host"),
        ("http://[::1]x/", "url_host"),
        ("http://" + "a." * 127 + "example.com/", "url_host"),
        ("https://sho.rt/abc", "url_loop"),
        ("https://SHO.rt.:443/abc", "url_loop"),
        ("https://example.com/" + "ü" * 1000, "url_length"),
    ],
)
def test_what_is_no_plain_web_address_is_refused(raw: str, code: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        targets.parse(raw, OWN)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104
        "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "0x",
        "1.2.3.4.5", "256.1.1.1", "127.0.0.1.", "１２７.0.0.1", "127。0。0。1",
        "[::1]", "[::]", "[fe80::1]", "[fe80::1%25eth0]", "[fc00::1]", "[ff02::1]", "[fec0::1]",
        "[2001:db8::1]",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]",
        "[2002:7f00:1::]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
        "localhost", "LOCALHOST", "localhost.", "a.localhost", "ⓛocalhost", "printer.local", "db.internal",
        "router.lan", "intranet", "metadata", "1.0.0.127.in-addr.arpa",
    ],
)  # fmt: skip
def test_nothing_that_is_not_of_the_public_internet_is_a_target(host: str) -> None:
    for url in (f"http://{host}/", f"https://{host}:8443/x"):
        with pytest.raises(UrlRefused) as refused:
            targets.parse(url)
        assert refused.value.code in {"url_private", "url_host"}


@pytest.mark.parametrize("wrapped", ["::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"])
def test_an_address_that_wraps_a_public_one_is_public(wrapped: str) -> None:
    assert weburls.is_public(ipaddress.ip_address(wrapped))


def test_the_own_host_on_another_port_is_another_service() -> None:
    assert targets.parse("https://sho.rt:8443/x", OWN) == "https://sho.rt:8443/x"
