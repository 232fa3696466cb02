"""Routes in their cached form, their verdicts, their targets."""

import pytest
from shortener.cache import Entry
from shortener.domain.routes import (
    Guard,
    Route,
    decode,
    encode,
    encode_tombstone,
    verdict,
    with_utm,
)

PLAIN = Route(b"0123456789abcdef", "demo", "https://example.com/")


def test_a_route_and_a_tombstone_come_back_with_their_revision() -> None:
    guarded = Route(PLAIN.link_id, "demo", PLAIN.url, Guard(until=5.0, rules=[{"url": "https://x.example"}]))
    for route in (PLAIN, guarded):
        assert decode(encode(route, 7)) == (7, route)
    assert decode(encode_tombstone(2**40)) == (2**40, None)


def test_a_plain_link_costs_few_bytes_more_than_its_target() -> None:
    assert len(encode(PLAIN, 2**40)) - len(PLAIN.url) <= 36


@pytest.mark.parametrize(
    ("guard", "status"),
    [
        (Guard(), 302),
        (Guard(status=308), 308),
        (Guard(since=100.0), 302),
        (Guard(since=100.5), 404),
        (Guard(until=100.0), 410),
        (Guard(until=100.5), 302),
        (Guard(state="disabled", since=200.0), 410),
        (Guard(state="taken_down"), 410),
    ],
)
def test_a_moment_decides(guard: Guard, status: int) -> None:
    assert verdict(guard, 100.0) == status


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://x.example/", "https://x.example/?utm_source=a+b"),
        ("https://x.example/?q=1#top", "https://x.example/?q=1&utm_source=a+b#top"),
        ("https://x.example/?utm_source=own", "https://x.example/?utm_source=own"),
        ("https://x.example/?utm_source=", "https://x.example/?utm_source="),
    ],
)
def test_campaign_parameters_are_added_and_never_replaced(url: str, expected: str) -> None:
    assert with_utm(url, {"source": "a b"}) == expected


@pytest.mark.parametrize(
    ("guard", "cache"),
    [
        (None, b"private, no-store"),
        (Guard(status=301), b"public, max-age=300"),
        (Guard(status=307), b"private, no-store"),
        (Guard(status=301, until=5.0), b"private, no-store"),
        (Guard(status=301, max_visits=5), b"private, no-store"),
        (Guard(status=308, rules=[{"url": "https://x.example"}]), b"private, no-store"),
    ],
)
def test_browsers_may_keep_only_what_nothing_but_an_edit_can_change(
    guard: Guard | None, cache: bytes
) -> None:
    entry = Entry(Route(PLAIN.link_id, "demo", PLAIN.url, guard), 1, permanent_max_age_s=300)
    assert dict(entry.headers)[b"cache-control"] == cache


def test_a_location_is_ascii_whatever_the_target_is() -> None:
    entry = Entry(Route(PLAIN.link_id, "demo", "https://example.com/ä?q=ö#%41"), 1)
    assert dict(entry.headers)[b"location"] == b"https://example.com/%C3%A4?q=%C3%B6#%41"
