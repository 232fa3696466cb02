"""Which rule of a link decides."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from shortener.domain.rules import (
    Choice,
    Facts,
    evaluate,
    parse_accept_language,
    parse_rules,
    pick_arm,
)

MONDAY_NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def choose(rules: list[dict[str, Any]], **facts: Any) -> Choice:
    return evaluate(parse_rules(rules), Facts(**({"now": MONDAY_NOON} | facts)))


def test_no_rule_leaves_the_links_own_target() -> None:
    assert choose([]) == Choice(None, None, "default")
    assert choose([{"if": {"device": ["mobile"]}, "url": "https://m.example"}]).url is None


def test_the_first_rule_that_matches_wins_and_says_why() -> None:
    rules: list[dict[str, Any]] = [
        {"if": {"device": ["tablet"]}, "url": "https://t.example"},
        {"if": {"device": ["mobile"], "country": ["DE"]}, "url": "https://m.example"},
        {"url": "https://all.example"},
    ]
    assert choose(rules, device="mobile", country="DE") == Choice(
        "https://m.example", 1, "rule 1: device mobile, country DE"
    )
    assert choose(rules, device="mobile") == Choice("https://all.example", 2, "rule 2: always")


def test_the_visitors_order_of_languages_beats_the_order_of_rules() -> None:
    rules = [
        {"if": {"language": ["en"]}, "url": "https://en.example"},
        {"if": {"language": ["de"]}, "url": "https://de.example"},
    ]
    for header, url in (
        ("de, en;q=0.5", "https://de.example"),
        ("en;q=0.5, de;q=0.4", "https://en.example"),
        ("nl, de-CH;q=0.8, en;q=0.1", "https://de.example"),
        ("nl", None),
        ("de;q=0", None),
    ):
        assert choose(rules, languages=parse_accept_language(header)).url == url, header


@pytest.mark.parametrize(
    ("window", "inside"),
    [
        ({"from": "12:00", "to": "13:00"}, True),
        ({"from": "11:00", "to": "12:00"}, False),
        ({"from": "13:00", "to": "14:00", "tz": "Europe/Berlin"}, True),
        ({"from": "12:00", "to": "13:00", "days": ["tue"]}, False),
        ({"from": "22:00", "to": "12:30", "days": ["sun"]}, True),
        ({"from": "22:00", "to": "12:30", "days": ["mon"]}, False),
    ],
)
def test_a_window_is_local_half_open_and_may_run_over_midnight(
    window: dict[str, Any], *, inside: bool
) -> None:
    assert (choose([{"if": {"time": window}, "url": "https://x.example"}]).url is not None) is inside


def test_arms_of_weight_zero_are_never_picked() -> None:
    arms = parse_rules([{"split": [{"url": "a", "weight": 0}, {"url": "b", "weight": 1}]}])[0].split
    assert {pick_arm(arms, str(n).encode(), salt=0) for n in range(200)} == {1}
    assert choose([{"split": [{"url": "a", "weight": 0}]}]).url is None


def test_a_rule_with_an_unknown_member_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        parse_rules([{"if": {"moon": "full"}, "url": "https://x.example"}])


def test_malformed_languages_say_nothing() -> None:
    assert parse_accept_language("de;q=x, ;q=1, *, fr") == ("fr",)
    assert len(parse_accept_language(",".join(f"l{n}" for n in range(100)))) == 16
