"""L1 and the floors: bounds, second chances, and what is refused."""

from shortener.cache import Entry, Floors, LocalCache
from shortener.domain.routes import Route


def entry(revision: int = 1) -> Entry:
    return Entry(Route(b"0123456789abcdef", "demo", "https://example.com/"), revision)


def test_the_cache_is_bounded_and_keeps_what_is_asked_for() -> None:
    cache = LocalCache(3, "test-bounded")
    for slug in "abc":
        cache.put(slug, entry(), 60)
    cache.entries["a"].seen = True
    cache.put("d", entry(), 60)
    cache.put("e", entry(), 60)
    assert sorted(cache.entries) == ["a", "d", "e"]
    assert not cache.entries["a"].seen


def test_distrusted_entries_stay_for_the_day_when_all_else_is_down() -> None:
    cache = LocalCache(3, "test-distrust")
    cache.put("a", entry(), 60)
    cache.distrust()
    assert cache.entries["a"].expires == 0.0


def test_putting_again_pushes_nothing_out() -> None:
    cache = LocalCache(2, "test-again")
    for slug in "abab":
        cache.put(slug, entry(), 60)
    assert sorted(cache.entries) == ["a", "b"]


def test_a_floor_only_rises_and_the_oldest_is_forgotten() -> None:
    floors = Floors(2)
    floors.raise_to("a", 5)
    floors.raise_to("a", 3)
    assert floors.of("a") == 5
    floors.raise_to("b", 1)
    floors.raise_to("a", 6)
    floors.raise_to("c", 1)
    assert [floors.of(slug) for slug in "abc"] == [6, 0, 1]
