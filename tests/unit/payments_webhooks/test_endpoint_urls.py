"""Where a webhook may go: what is refused when an endpoint is made."""

import pytest
from chassis.weburls import Allowed, UrlRefused
from payments.domain.webhook_endpoints import receiver

DEVELOPMENT = Allowed.of(["127.0.0.1", "localhost", "::1", "host.docker.internal", "10.20.0.0/16"])


@pytest.mark.parametrize(
    "host",
    [
        # Loopback, private, link-local (the cloud's metadata), shared, reserved, multicast.
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1",  # noqa: S104
        "[::1]", "[::]", "[fe80::1]", "[fe80::1%25eth0]", "[fc00::1]", "[fd12::1]", "[ff02::1]", "[fec0::1]",
        # The same in odd spellings.
        "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1",
        "127.0.0.1.", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021",
        # IPv4 inside IPv6, private or not.
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:8.8.8.8]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
        "[64:ff9b::808:808]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:808:808::1]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        # Names that are private by their form.
        "localhost", "LOCALHOST.", "api.localhost", "db.internal", "printer.local", "router.lan", "metadata",
        "1.0.0.127.in-addr.arpa",
    ],
)  # fmt: skip
def test_a_host_that_is_not_of_the_public_internet_is_refused(host: str) -> None:
    for url in (f"http://{host}/hook", f"https://{host}:8443/"):
        with pytest.raises(UrlRefused) as refused:
            receiver(url, Allowed())
        assert refused.value.code in {"url_private", "url_host"}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com/",
        "example.com/hook",
        "javascript:alert(1)", "", "http://", "http:///hook", "https://user@example.com/",
        "http://a:b@example.com/", "http://example.com@127.0.0.1/", "http://example.com\\@127.0.0.1/",
        "http://exa mple.com/",
        "http://example.com\t/", "http://example.com\r\nHost: x/", "http://example.com:0/",
        "http://example.com:99999/", "http://exa%6dple.com/", "https://example.com/" + "x" * 2048,
    ],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        receiver(url, DEVELOPMENT)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook", "http://example.com", "https://hooks.example.co.uk:8443/a?b=c#d",
        "https://8.8.8.8/", "https://[2606:4700:4700::1111]/", "https://bücher.example/hook",
    ],
)  # fmt: skip
def test_public_hosts_are_taken(url: str) -> None:
    receiver(url, Allowed())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000/hook", "http://localhost:9000/", "http://LOCALHOST/", "http://[::1]:9000/",
        "http://host.docker.internal/hook", "http://10.20.30.40/",
    ],
)  # fmt: skip
def test_the_allow_list_lets_through_what_it_names(url: str) -> None:
    receiver(url, DEVELOPMENT)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2/", "http://10.21.0.1/", "http://192.168.0.1/", "http://169.254.169.254/",
        "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/",
        "http://[::ffff:127.0.0.1]/", "http://a.localhost/", "http://docker.internal/",
        "http://user@127.0.0.1/",
    ],
)  # fmt: skip
def test_the_allow_list_lets_through_nothing_else(url: str) -> None:
    with pytest.raises(UrlRefused):
        receiver(url, DEVELOPMENT)


@pytest.mark.parametrize("words", [["127.0.0.300"], ["10.0.0.0/33"], ["::1/200"], ["10.0.0.1/8"]])
def test_an_allow_list_that_makes_no_sense_is_no_allow_list(words: list[str]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Allowed.of(words)


def test_an_empty_allow_list_is_none() -> None:
    assert Allowed.of([""]) == Allowed()
