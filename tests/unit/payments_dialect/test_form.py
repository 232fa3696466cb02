"""Form encoding with brackets."""

from typing import Any

import pytest
from payments.dialect import form
from payments.dialect.errors import InvalidRequest


def parse(text: str | bytes) -> dict[str, Any]:
    raw = text.encode() if isinstance(text, str) else text
    return form.parse(raw, parameters_max=10, depth_max=4, chars_max=20)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", {}),
        ("&&", {}),
        ("a=1", {"a": "1"}),
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a=1&a=2", {"a": "2"}),
        ("a+b=c+d%2B", {"a b": "c d+"}),
        ("a[b]=1&a[c]=2", {"a": {"b": "1", "c": "2"}}),
        ("a%5Bb%5D=1", {"a": {"b": "1"}}),
        ("a[b][c][d]=1", {"a": {"b": {"c": {"d": "1"}}}}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[0]=1&a[1]=2", {"a": {"0": "1", "1": "2"}}),
        ("a[][x]=1&a[][y]=2&a[][x]=3", {"a": [{"x": "1", "y": "2"}, {"x": "3"}]}),
        ("a[][x][y]=1&a[][x][z]=2", {"a": [{"x": {"y": "1"}}, {"x": {"z": "2"}}]}),
        ("a[0][x]=1&a[0][y]=2", {"a": {"0": {"x": "1", "y": "2"}}}),
        ("a[b]=1&a[b]=2", {"a": {"b": "2"}}),
        ("a[b c]=1", {"a": {"b c": "1"}}),
        ("a=%E2%82%AC", {"a": "€"}),
        ("a=%zz", {"a": "%zz"}),
        ("a=1;b=2", {"a": "1;b=2"}),
    ],
)
def test_a_form_reads_as_its_tree(text: str, tree: dict[str, Any]) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    "text",
    [
        "a=1&a[b]=2",
        "a[b]=1&a=2",
        "a[]=1&a=2",
        "a=1&a[]=2",
        "a[b]=1&a[]=2",
        "a[]=1&a[b]=2",
        "a[0]=1&a[]=2",
        "a[b]=1&a[b][c]=2",
        "a[b][c]=1&a[b]=2",
        "a[]=1&a[][b]=2",
        "a[][b]=1&a[]=2",
        "a[][]=1",
    ],
)
def test_two_shapes_of_one_name_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="different shapes"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["=1", "[a]=1", "a]=1", "a[b=1", "a[b]c=1", "a[b]c[d]=1", "a[b[c]]=1", "a]b[c]=1", "[]=1"]
)
def test_a_name_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="Invalid parameter name"):
        parse(text)


@pytest.mark.parametrize("text", [b"a=\xff", b"a=%ff", b"%ff=a", b"a=%c3", b"a=%ED%A0%80"])
def test_what_is_no_utf8_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        parse(text)


@pytest.mark.parametrize("text", ["a=%00", "a%00=1", "a[%00]=1"])
def test_nul_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="NUL"):
        parse(text)


def test_each_bound_holds_and_is_told() -> None:
    assert len(parse("&".join(f"a{n}=1" for n in range(10)))) == 10
    with pytest.raises(InvalidRequest, match="at most 10"):
        parse("&".join(f"a{n}=1" for n in range(11)))
    parse("a[b][c][d]=1")
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        parse("a[b][c][d][e]=1")
    parse("a=" + "é" * 20)
    with pytest.raises(InvalidRequest, match="at most 20 characters"):
        parse("a=" + "é" * 21)


def test_a_storm_of_brackets_is_refused_quickly() -> None:
    with pytest.raises(InvalidRequest):
        parse("a" + "[b]" * 100_000 + "=1")
