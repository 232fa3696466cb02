"""Web addresses that strangers give us: http(s), public hosts, nothing that two parsers read differently.

A link's target and a webhook's receiver are judged alike. What a name resolves to is judged by `egress`.
"""

import ipaddress
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import idna

LENGTH_MAX: Final = 2048

PORTS: Final = {"http": 80, "https": 443}
_PORT_MAX: Final = 65535
_HOST_LENGTH_MAX: Final = 253
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
# A path, query or fragment stays as it was sent, but for non-ASCII and these, which break out of HTML.
_KEPT: Final = "".join(set(string.punctuation) - set('"<>`'))
# The last label of an IPv4 address in any spelling that the WHATWG parser (and inet_aton) takes for a number.
_NUMERIC_LABEL: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")
_PRIVATE_SUFFIXES: Final = (
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "home.arpa",
    "in-addr.arpa",
    "ip6.arpa",
    "onion",
    "invalid",
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
_SIX_TO_FOUR: Final = ipaddress.IPv6Network("2002::/16")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_SITE_LOCAL: Final = ipaddress.IPv6Network("fec0::/10")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class UrlRefused(ValueError):  # noqa: N818 - a state of the URL
    """A URL that leads nowhere we go; `code` says why in one word for programs."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Allowed:
    """Hosts that are let through although they are not public: names as they are spelt, and networks."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @staticmethod
    def of(words: Iterable[str]) -> "Allowed":
        """Of names, addresses and CIDRs; a ValueError for what looks like an address and is none."""
        names, networks = set(), []
        for word in filter(None, (word.strip().lower() for word in words)):
            if ":" in word or "/" in word or _NUMERIC_LABEL.match(word.rsplit(".", 1)[-1]):
                networks.append(ipaddress.ip_network(word))
            else:
                names.add(word)
        return Allowed(frozenset(names), tuple(networks))

    def covers(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


NOBODY: Final = Allowed()


@dataclass(frozen=True, slots=True)
class WebUrl:
    """`host` as in a URL, lower case and punycode; `tail` is path, query and fragment as they were sent."""

    scheme: str
    host: str
    port: int | None
    tail: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{'' if self.port is None else f':{self.port}'}{self.tail}"

    @property
    def address(self) -> Address | None:
        """When the host is one."""
        try:
            return ipaddress.ip_address(self.host.strip("[]"))
        except ValueError:
            return None


def parse(raw: str, allowed: Allowed = NOBODY) -> WebUrl:
    """The parts of an absolute URL, pure ASCII. Raises UrlRefused."""
    _check_characters(raw)
    scheme, separator, rest = raw.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in PORTS:
        raise UrlRefused("url_scheme", "An absolute http or https URL is needed.")
    authority, tail = _split_authority(rest)
    if "@" in authority:
        raise UrlRefused("url_userinfo", "The URL must carry no user name or password.")
    host, port = _split_port(authority)
    url = WebUrl(scheme, _check_host(host, allowed), port, quote(tail, safe=_KEPT))
    if len(str(url)) > LENGTH_MAX:
        raise UrlRefused("url_length", f"A URL has at most {LENGTH_MAX} characters.")
    return url


def is_public(address: Address) -> bool:
    """Whether an address is of the public internet, also when it wraps another (NAT64, 6to4, Teredo)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    if address in _NAT64_LOCAL or address in _SITE_LOCAL or address.scope_id is not None:
        return False
    inner = wrapped(address)
    if inner is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that this one stands for."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64 or address in _COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    return None


def _check_characters(raw: str) -> None:
    if len(raw) > LENGTH_MAX:
        raise UrlRefused("url_length", f"A URL has at most {LENGTH_MAX} characters.")
    # Browsers drop tabs and newlines and read "\" as "/": such a URL is not what it seems.
    if "\\" in raw or any(char.isspace() or not char.isprintable() for char in raw):
        raise UrlRefused("url_characters", "A URL has no spaces, control characters or backslashes.")


def _split_authority(rest: str) -> tuple[str, str]:
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    return rest[:end], rest[end:]


def _split_port(authority: str) -> tuple[str, int | None]:
    if authority.startswith("["):
        host, bracket, after = authority.partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise UrlRefused("url_host", "The host of the URL is malformed.")
        host, port = host + bracket, after[1:]
    else:
        host, _, port = authority.partition(":")
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit()) or not 1 <= int(port[:6]) <= _PORT_MAX:
        raise UrlRefused("url_port", f"A port is a number from 1 to {_PORT_MAX}.")
    return host, int(port)


def _check_host(host: str, allowed: Allowed) -> str:
    if not host:
        raise UrlRefused("url_host", "The URL has no host.")
    if host.startswith("["):
        return _check_ipv6(host, allowed)
    if "%" in host:
        raise UrlRefused("url_host", "The host of the URL is percent-encoded.")
    name = _to_ascii(host)
    if _NUMERIC_LABEL.match(name.rsplit(".", 1)[-1]):
        return _check_ipv4(name, allowed)
    if name in allowed.names:
        return name
    if any(name == suffix or name.endswith(f".{suffix}") for suffix in _PRIVATE_SUFFIXES) or "." not in name:
        raise UrlRefused("url_private", "The URL does not lead to the public internet.")
    return name


def _to_ascii(host: str) -> str:
    """Punycode by UTS 46, as browsers do it: full-width dots and digits are folded first."""
    try:
        name = idna.uts46_remap(host, std3_rules=False, transitional=False).removesuffix(".")
        if not name.isascii():
            name = idna.encode(name, uts46=True, std3_rules=False).decode()
    except (idna.IDNAError, UnicodeError) as error:
        raise UrlRefused("url_host", "The host of the URL is no valid name.") from error
    name = name.lower()
    labels = name.split(".")
    if len(name) > _HOST_LENGTH_MAX or not all(_LABEL.match(label) for label in labels):
        raise UrlRefused("url_host", "The host of the URL is no valid name.")
    for label in labels:
        if label.startswith("xn--"):
            _check_punycode(label)
    return name


def _check_punycode(label: str) -> None:
    try:
        idna.ulabel(label)
    except (idna.IDNAError, UnicodeError) as error:
        raise UrlRefused("url_host", "The host of the URL is no valid name.") from error


def _check_ipv4(name: str, allowed: Allowed) -> str:
    # Octal, hexadecimal, short and plain-number spellings are refused whole: they only serve to hide.
    try:
        address = ipaddress.IPv4Address(name)
    except ValueError as error:
        raise UrlRefused("url_host", "An address is written as four decimal numbers.") from error
    if not (is_public(address) or allowed.covers(address)):
        raise UrlRefused("url_private", "The URL does not lead to the public internet.")
    return str(address)


def _check_ipv6(host: str, allowed: Allowed) -> str:
    try:
        address = ipaddress.IPv6Address(host[1:-1])
    except ValueError as error:
        raise UrlRefused("url_host", "The host of the URL is no valid address.") from error
    if not (is_public(address) or allowed.covers(address)):
        raise UrlRefused("url_private", "The URL does not lead to the public internet.")
    return f"[{address.compressed}]"
