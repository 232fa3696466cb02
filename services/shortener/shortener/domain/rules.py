"""Redirect rules: which target a visitor gets; pure, so that the dry run and the redirect agree.

A link's `rules` are a JSON list; the first rule that matches wins, none means the link's own URL:

    {"if": {"device": ["mobile"], "language": ["de"], "country": ["DE"],
            "time": {"from": "09:00", "to": "18:00", "tz": "Europe/Berlin", "days": ["mon"]}}, "url":
            "https://..."}
    {"if": {...}, "split": [{"url": "https://a.example", "weight": 70},
                            {"url": "https://b.example", "weight": 30}]}

Every condition that is named must hold; `if` may be absent, which always matches.
"""

from collections.abc import Sequence
from datetime import datetime, time
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

Device = Literal["mobile", "tablet", "desktop", "bot"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ACCEPTED_LANGUAGES_MAX = 16  # of one Accept-Language header; a longer one is an attack, not a polyglot


class TimeWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Local hours of a time zone, `from` inclusive, `to` exclusive; `from` after `to` runs over midnight."""

    from_: str = msgspec.field(name="from")
    to: str
    tz: str = "UTC"
    days: tuple[Day, ...] = DAYS


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device: tuple[Device, ...] | None = None
    language: tuple[str, ...] | None = None
    country: tuple[str, ...] | None = None
    time: TimeWindow | None = None


class Arm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    weight: int


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    condition: Condition = msgspec.field(name="if", default=Condition())
    url: str | None = None
    split: tuple[Arm, ...] = ()


class Facts(msgspec.Struct, frozen=True):
    """What is known of one request; `visitor` keeps a split stable, `languages` are ordered by preference."""

    now: datetime
    device: Device = "desktop"
    languages: tuple[str, ...] = ()
    country: str | None = None
    visitor: bytes = b""


class Choice(msgspec.Struct, frozen=True):
    """`url` is None when no rule matched: the link's own target holds."""

    url: str | None
    rule_index: int | None
    reason: str


DEFAULT = Choice(url=None, rule_index=None, reason="default")


def parse_rules(raw: Sequence[dict[str, Any]]) -> tuple[Rule, ...]:
    """Build rules from the stored JSON; msgspec.ValidationError names what is wrong and where."""
    return msgspec.convert(raw, tuple[Rule, ...])


def parse_accept_language(header: str) -> tuple[str, ...]:
    """Give lower-case language tags of an Accept-Language header, best first; `q=0` and `*` say nothing."""
    weighted: list[tuple[float, str]] = []
    for part in header.split(",", ACCEPTED_LANGUAGES_MAX)[:ACCEPTED_LANGUAGES_MAX]:
        tag, _, parameters = part.partition(";")
        name, _, value = parameters.strip().partition("=")
        weight = _weight(value) if name.strip().lower() == "q" else 1.0
        tag = tag.strip().lower()
        if tag and tag != "*" and weight > 0:
            weighted.append((weight, tag))
    weighted.sort(key=lambda pair: -pair[0])
    return tuple(tag for _, tag in weighted)


def evaluate(rules: Sequence[Rule], facts: Facts) -> Choice:
    """Give the first matching rule's target, its index and the reason in words."""
    language = negotiate(rules, facts.languages)
    for index, rule in enumerate(rules):
        reasons = _match(rule.condition, facts, language)
        if reasons is None:
            continue
        if rule.url is not None:
            return Choice(rule.url, index, _reason(index, reasons))
        arm = pick_arm(rule.split, facts.visitor, salt=index)
        if arm is not None:
            reasons.append(f"split arm {arm}")
            return Choice(rule.split[arm].url, index, _reason(index, reasons))
    return DEFAULT


def negotiate(rules: Sequence[Rule], languages: Sequence[str]) -> str | None:
    """Give the visitor's most preferred language that any rule names: rule order does not beat it."""
    named = {tag.lower() for rule in rules for tag in rule.condition.language or ()}
    if not named:
        return None
    for accepted in languages:
        tag = accepted
        while tag:
            if tag in named:
                return tag
            tag = tag.rpartition("-")[0]
    return None


def pick_arm(arms: Sequence[Arm], visitor: bytes, *, salt: int) -> int | None:
    """Give the index of the arm that this visitor always gets; arms of weight 0 are never picked."""
    total = sum(arm.weight for arm in arms)
    if total <= 0:
        return None
    digest = blake2b(visitor, digest_size=8, salt=salt.to_bytes(2, "big")).digest()
    point = int.from_bytes(digest, "big") % total
    for index, arm in enumerate(arms):
        point -= arm.weight
        if point < 0:
            return index
    return None


def _match(condition: Condition, facts: Facts, language: str | None) -> list[str] | None:
    reasons: list[str] = []
    if condition.device is not None:
        if facts.device not in condition.device:
            return None
        reasons.append(f"device {facts.device}")
    if condition.language is not None:
        if language is None or language not in {tag.lower() for tag in condition.language}:
            return None
        reasons.append(f"language {language}")
    if condition.country is not None:
        if facts.country is None or facts.country not in condition.country:
            return None
        reasons.append(f"country {facts.country}")
    if condition.time is not None:
        if not within(condition.time, facts.now):
            return None
        reasons.append(f"time {condition.time.from_}-{condition.time.to} {condition.time.tz}")
    return reasons


def within(window: TimeWindow, now: datetime) -> bool:
    """Tell whether an aware instant lies in the window; past midnight it belongs to the day it began on."""
    local = now.astimezone(_zone(window.tz))
    start, end, clock = _clock(window.from_), _clock(window.to), local.time()
    today = DAYS[local.weekday()]
    if start <= end:
        return start <= clock < end and today in window.days
    if clock >= start:
        return today in window.days
    return clock < end and DAYS[local.weekday() - 1] in window.days


def _reason(index: int, reasons: Sequence[str]) -> str:
    return f"rule {index}: " + (", ".join(reasons) or "always")


def _weight(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=1536)
def _clock(value: str) -> time:
    return time.fromisoformat(value)
