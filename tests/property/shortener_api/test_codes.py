"""Generated codes: a keyed bijection, unique and in no visible order."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shortener.domain import codes, slugs
from shortener.domain.codes import Permutation

KEY = b"the key of these tests"
PERMUTATION = Permutation(KEY)
counters = st.integers(0, codes.SPACE - 1)


@given(counters)
def test_the_permutation_can_be_undone(counter: int) -> None:
    image = PERMUTATION.forward(counter)

    assert 0 <= image < codes.SPACE
    assert PERMUTATION.backward(image) == counter
    assert PERMUTATION.forward(PERMUTATION.backward(counter)) == counter


@given(counters)
def test_a_code_is_seven_base62_characters_and_tells_its_number(number: int) -> None:
    code = codes.encode(number)

    assert len(code) == codes.LENGTH
    assert codes.decode(code) == number
    assert slugs.may_exist(code) == code


@given(st.sets(counters, max_size=50))
def test_different_counters_give_different_codes(numbers: set[int]) -> None:
    assert len({PERMUTATION.code(number) for number in numbers}) == len(numbers)


@given(counters, st.binary(min_size=16, max_size=32).filter(lambda key: key != KEY))
def test_another_key_is_another_permutation(counter: int, key: bytes) -> None:
    """One point may be fixed by chance (1 in 3.5 thousand billion): three are not."""
    points = [(counter + step) % codes.SPACE for step in range(3)]

    assert [Permutation(key).forward(p) for p in points] != [PERMUTATION.forward(p) for p in points]


def test_one_block_of_codes_spreads_over_the_whole_space() -> None:
    numbers = [PERMUTATION.forward(counter) for counter in range(1_000)]
    tenths = [sum(n * 10 // codes.SPACE == tenth for n in numbers) for tenth in range(10)]

    assert len(set(numbers)) == 1_000
    assert all(60 < count < 140 for count in tenths)
    ascending = sum(a < b for a, b in pairwise(numbers))
    assert 400 < ascending < 600


@given(st.one_of(st.integers(max_value=-1), st.integers(min_value=codes.SPACE)))
def test_what_is_outside_the_space_is_refused(number: int) -> None:
    for function in (PERMUTATION.forward, PERMUTATION.backward, codes.encode):
        with pytest.raises(ValueError, match="code space"):
            function(number)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Permutation(b"short")
