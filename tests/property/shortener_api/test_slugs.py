"""Slugs, whatever text is sent."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from shortener.domain import slugs, unicode_tables
from shortener.domain.slugs import Slug, SlugError


def parsed(text: str) -> Slug | None:
    try:
        return slugs.parse(text)
    except SlugError:
        return None


letters = st.text(st.characters(categories=["L", "Nd"], include_characters="-_"), min_size=3, max_size=12)


@given(st.one_of(st.text(max_size=80), letters))
def test_a_slug_that_is_accepted_obeys_every_rule(text: str) -> None:
    slug = parsed(text)
    if slug is None:
        return
    assert 3 <= len(slug.text) <= 64
    assert unicodedata.is_normalized("NFC", slug.text)
    assert not slugs.is_reserved(slug.text)
    assert all(c in "-_" or unicodedata.category(c)[0] in "LN" for c in slug.text)
    assert (slug.skeleton is None) == slug.text.isascii()
    assert slug.skeleton is None or not slug.skeleton.isascii()


@given(st.one_of(st.text(max_size=80), letters))
def test_parsing_a_slug_again_changes_nothing(text: str) -> None:
    slug = parsed(text)
    assert slug is None or slugs.parse(slug.text) == slug


@given(letters)
def test_an_accepted_slug_can_be_asked_for(text: str) -> None:
    slug = parsed(text)
    assert slug is None or slugs.may_exist(slug.text) == slug.text


@given(st.text(st.sampled_from("abcXYZ019-_"), min_size=3, max_size=64))
def test_every_plain_ascii_word_of_the_right_length_is_a_slug(text: str) -> None:
    assert slugs.is_reserved(text) or slugs.parse(text) == Slug(text, None)


@given(st.text(max_size=20))
def test_a_skeleton_looks_like_itself(text: str) -> None:
    skeleton = unicode_tables.skeleton(text)
    assert unicode_tables.skeleton(unicodedata.normalize("NFC", text)) == skeleton
