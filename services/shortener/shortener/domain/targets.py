"""Which URLs a link may lead to: web addresses of public hosts, and never back at this service."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from chassis import weburls
from chassis.weburls import UrlRefused


@dataclass(frozen=True, slots=True)
class PublicHost:
    """Where this service itself is reached: links to it would loop. `host` as in a URL, lower case."""

    host: str
    port: int

    @staticmethod
    def of(base_url: str) -> "PublicHost":
        parts = urlsplit(base_url)
        return PublicHost((parts.hostname or "").lower(), parts.port or weburls.PORTS[parts.scheme])


def parse(raw: str, own: frozenset[PublicHost] = frozenset()) -> str:
    """The URL in the form that is stored and sent in Location. Raises UrlRefused.

    ASCII, the host in lower case and punycode, the rest as it was sent.
    """
    url = weburls.parse(raw)
    if PublicHost(url.host.strip("[]"), url.port or weburls.PORTS[url.scheme]) in own:
        raise UrlRefused("url_loop", "A target cannot be a link of this service.")
    return str(url)
