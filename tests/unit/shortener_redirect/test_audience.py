"""What is read from a request, and what is not kept of it."""

import pytest
from shortener.audience import Audience
from shortener.domain.useragent import Agent, parse_user_agent

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0) Version/17.0 Mobile/15E148 Safari/604.1"
DAY_S = 86_400


@pytest.mark.parametrize(
    ("header", "agent"),
    [
        (CHROME, Agent("chrome", "desktop")),
        (CHROME + " Edg/131.0", Agent("edge", "desktop")),
        ("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/130.0", Agent("firefox", "desktop")),
        (IPHONE, Agent("safari", "mobile")),
        (IPHONE.replace("iPhone", "iPad"), Agent("safari", "tablet")),
        ("Mozilla/5.0 (Linux; Android 14; SM-X710) Chrome/131.0 Safari/537.36", Agent("chrome", "tablet")),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/131.0 Mobile Safari/5", Agent("chrome", "mobile")),
        ("Mozilla/5.0 (compatible; Googlebot/2.1)", Agent("bot", "bot")),
        ("curl/8.5.0", Agent("bot", "bot")),
        ("", Agent("bot", "bot")),
        ("Something/1.0", Agent("other", "desktop")),
    ],
)  # fmt: skip
def test_agents_are_told_apart(header: str, agent: Agent) -> None:
    assert parse_user_agent(header) == agent


def test_a_visitor_is_the_same_all_day_and_another_the_next() -> None:
    audience = Audience("key", None)
    morning, evening, tomorrow = (audience.visitor("10.0.0.1", b"x", t) for t in (0, DAY_S - 1, DAY_S))
    assert morning == evening != tomorrow
    assert audience.visitor("10.0.0.2", b"x", 0) != morning
    assert Audience("other key", None).visitor("10.0.0.1", b"x", 0) != morning


def test_a_split_is_stable_over_days_and_differs_between_links() -> None:
    audience = Audience("key", None)
    first, later = (audience.facts(b"link", "10.0.0.1", b"x", b"", t).visitor for t in (0.0, 9.0 * DAY_S))
    assert first == later
    assert audience.facts(b"other", "10.0.0.1", b"x", b"", 0.0).visitor != first


@pytest.mark.parametrize(
    ("header", "host"),
    [
        (b"https://News.Example.com/a?b", "news.example.com"),
        (b"android-app://com.example", None),
        (b"https://[::1", None),
        (b"nonsense", None),
    ],
)
def test_only_the_host_of_a_referrer_is_kept(header: bytes, host: str | None) -> None:
    assert Audience("key", None).referrer(header) == host
