"""Tags as Datadog writes them."""

from collections.abc import Iterable, Iterator

# The label value of a tag that is only a word.
WITHOUT_VALUE = "true"


def tags(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """`key:value`, or a word alone."""
    for text in texts:
        key, _, value = text.partition(":")
        yield key, value or WITHOUT_VALUE
