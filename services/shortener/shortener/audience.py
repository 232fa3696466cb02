"""What a request tells of its sender: agent, country, visitor. An address never leaves this module."""

from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import maxminddb

from shortener.domain.rules import Facts, parse_accept_language
from shortener.domain.useragent import Agent, parse_user_agent

CACHE_MAX: Final = 8_192
REFERRER_LENGTH_MAX: Final = 100
DAY_S: Final = 86_400

T = TypeVar("T")


class Audience:
    """Caches what it parses by the raw header: a few thousand agents make nearly all traffic."""

    def __init__(self, salt_key: str, geoip_database: Path | None) -> None:
        self._key = blake2b(salt_key.encode(), digest_size=32).digest()
        self._countries = maxminddb.open_database(geoip_database) if geoip_database is not None else None
        self._agents: dict[bytes, Agent] = {}
        self._referrers: dict[bytes, str | None] = {}
        self._salts: dict[int, bytes] = {}

    def close(self) -> None:
        if self._countries is not None:
            self._countries.close()

    def agent(self, header: bytes) -> Agent:
        return self._agents.get(header) or _keep(
            self._agents, header, parse_user_agent(header.decode("latin-1"))
        )

    def referrer(self, header: bytes) -> str | None:
        """Give the host of a Referer header in lower case; None when it names none."""
        if header in self._referrers:
            return self._referrers[header]
        return _keep(self._referrers, header, _host(header.decode("latin-1")))

    def country(self, address: str) -> str | None:
        """Give the ISO code, None without a database or for an address that it does not know."""
        if self._countries is None or not address:
            return None
        try:
            found = self._countries.get(address)
        except ValueError:  # no address: a Unix socket, a proxy's invention
            return None
        country = found.get("country") if isinstance(found, dict) else None
        code = country.get("iso_code") if isinstance(country, dict) else None
        return code if isinstance(code, str) else None

    def visitor(self, address: str, agent: bytes, at_s: float) -> str:
        """Give 16 hex digits that tell visitors of one UTC day apart, and of two days never join them."""
        digest = blake2b(address.encode() + b"\0" + agent, key=self._salt(int(at_s // DAY_S)), digest_size=8)
        return digest.hexdigest()

    def facts(self, link_id: bytes, address: str, agent: bytes, languages: bytes, at_s: float) -> Facts:
        """Give what redirect rules may ask; the split's key is of one link and kept nowhere."""
        sender = link_id + address.encode() + b"\0" + agent
        return Facts(
            now=datetime.fromtimestamp(at_s, UTC),
            device=self.agent(agent).device,
            languages=parse_accept_language(languages.decode("latin-1")),
            country=self.country(address),
            visitor=blake2b(sender, key=self._key, digest_size=8).digest(),
        )

    def _salt(self, day: int) -> bytes:
        salt = self._salts.get(day)
        if salt is None:
            self._salts.clear()  # yesterday's is never needed again
            salt = blake2b(day.to_bytes(4, "big"), key=self._key, digest_size=32).digest()
            self._salts[day] = salt
        return salt


def _keep(cache: dict[bytes, T], header: bytes, value: T) -> T:
    if len(cache) >= CACHE_MAX:
        cache.clear()
    cache[header] = value
    return value


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    return host[:REFERRER_LENGTH_MAX] if host and parts.scheme in {"http", "https"} else None
