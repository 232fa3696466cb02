"""What a User-Agent header tells: browser, device, bot or not; coarse, for counts and rules."""

import re
from typing import Final, NamedTuple

from shortener.domain.rules import Device

OTHER: Final = "other"
LENGTH_MAX: Final = 512

_BOT: Final = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|facebookexternalhit|embedly|preview|monitor|headless|lighthouse|pingdom|"
    r"^(curl|wget|python|go-http|java|okhttp|libwww|axios|node|ruby|php|perl|httpx|aiohttp|scrapy|postman|insomnia)",
    re.IGNORECASE,
)
# The first that matches: most browsers name the engines of others after their own name.
_BROWSERS: Final = (
    ("edge", re.compile(r"\bEdg(e|A|iOS)?/")),
    ("opera", re.compile(r"\b(OPR|Opera)/")),
    ("samsung", re.compile(r"\bSamsungBrowser/")),
    ("firefox", re.compile(r"\b(Firefox|FxiOS)/")),
    ("chrome", re.compile(r"\b(Chrome|CriOS|Chromium)/")),
    ("safari", re.compile(r"\bVersion/[\d.]+ .*Safari/")),
)
_TABLET: Final = re.compile(r"iPad|Tablet|PlayBook|Silk|Kindle|Android(?!.*Mobile)")
_MOBILE: Final = re.compile(r"Mobi|iPhone|iPod|Windows Phone|BlackBerry|Opera Mini")


class Agent(NamedTuple):
    browser: str
    device: Device

    @property
    def is_bot(self) -> bool:
        return self.device == "bot"


def parse_user_agent(header: str) -> Agent:
    """Classify a header; an empty one is a program's, since every browser sends one."""
    text = header[:LENGTH_MAX]
    if not text or _BOT.search(text):
        return Agent("bot", "bot")
    browser = next((name for name, pattern in _BROWSERS if pattern.search(text)), OTHER)
    if _TABLET.search(text):
        return Agent(browser, "tablet")
    return Agent(browser, "mobile" if _MOBILE.search(text) else "desktop")
