"""Which words may be a slug."""

# ruff: noqa: RUF001  look-alikes are what is tested

import pytest
from shortener.domain import slugs
from shortener.domain.slugs import SlugError


@pytest.mark.parametrize(
    "text", ["abc", "A-b_9", "x" * 64, "---", "пример-1", "größe", "日本語", "コーヒー", "ελλάδα", "٠١٢"]
)
def test_words_of_one_script_may_be_slugs(text: str) -> None:
    assert slugs.parse(text).text == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ab", "slug_length"),
        ("x" * 65, "slug_length"),
        ("a b", "slug_alphabet"),
        ("a.b", "slug_alphabet"),
        ("a\x00b", "slug_alphabet"),
        ("abc\n", "slug_alphabet"),
        ("~abc", "slug_alphabet"),
        ("a\u200bbc", "slug_alphabet"),
        ("aбв", "slug_scripts"),
        ("日本ご", "slug_scripts"),
        ("мир٣", "slug_scripts"),
        ("раурау", "slug_looks_ascii"),
        ("ｓｈｏｐ", "slug_looks_ascii"),
        ("ﬁsh", "slug_looks_ascii"),
    ],
)
def test_other_words_may_not_and_the_code_says_why(text: str, code: str) -> None:
    with pytest.raises(SlugError) as refused:
        slugs.parse(text)
    assert refused.value.code == code


@pytest.mark.parametrize("word", sorted(slugs.RESERVED))
def test_reserved_words_are_reserved_in_any_case(word: str) -> None:
    for text in (word, word.upper(), word.title()):
        with pytest.raises(SlugError):
            slugs.parse(text)


def test_a_slug_is_kept_in_composed_form() -> None:
    assert slugs.parse("cafe\u0301") == slugs.parse("caf\u00e9")


def test_only_slugs_beyond_ascii_have_a_skeleton() -> None:
    assert slugs.parse("l1I").skeleton is None
    assert slugs.parse("мера").skeleton == slugs.parse("ʍepa").skeleton


def test_what_a_path_spells_is_found_as_it_is_stored() -> None:
    assert slugs.may_exist("cafe\u0301") == "caf\u00e9"
    assert slugs.may_exist("abc") == "abc"
    for text in ("ab", "x" * 65, "a b", "a/b", "~id", "", "\x00\x00\x00"):
        assert slugs.may_exist(text) is None
