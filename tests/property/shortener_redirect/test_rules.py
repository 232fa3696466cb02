"""Properties of splits, languages and cached values."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from shortener.domain.routes import Guard, Route, decode, encode
from shortener.domain.rules import Arm, parse_accept_language, pick_arm

weights = st.lists(st.integers(0, 1_000), min_size=1, max_size=10)


@given(weights, st.binary(max_size=16), st.integers(0, 19))
def test_a_visitor_always_gets_the_same_arm_and_one_that_has_weight(
    given_weights: list[int], visitor: bytes, salt: int
) -> None:
    arms = [Arm(str(n), weight) for n, weight in enumerate(given_weights)]
    picked = pick_arm(arms, visitor, salt=salt)
    assert picked == pick_arm(arms, visitor, salt=salt)
    assert (picked is None) == (sum(given_weights) == 0)
    assert picked is None or given_weights[picked] > 0


def test_many_visitors_are_split_by_weight() -> None:
    arms = [Arm("a", 70), Arm("b", 30)]
    counts = Counter(pick_arm(arms, str(n).encode(), salt=0) for n in range(20_000))
    assert abs(counts[0] / 20_000 - 0.7) < 0.02


@given(st.text(max_size=300))
def test_any_header_is_read_without_an_error_and_gives_few_tags(header: str) -> None:
    tags = parse_accept_language(header)
    assert len(tags) <= 16
    assert all(tag == tag.lower() and tag for tag in tags)


@given(
    st.binary(min_size=16, max_size=16),
    st.text(min_size=1, max_size=200),
    st.integers(0, 2**48 - 1),
    st.none()
    | st.builds(
        Guard, max_visits=st.none() | st.integers(1, 2**31 - 1), since=st.none() | st.floats(0, 2**40)
    ),
)
def test_what_is_cached_is_what_was_stored(
    link_id: bytes, url: str, revision: int, guard: Guard | None
) -> None:
    route = Route(link_id, "demo", url, guard)
    assert decode(encode(route, revision)) == (revision, route)
