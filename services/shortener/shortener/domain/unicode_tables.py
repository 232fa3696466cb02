"""Scripts (UAX 24) and look-alikes (UTS 39), from the data files of confusable-homoglyphs.

Read on the first non-ASCII slug and not at import: a worker that never sees one keeps the memory. The
package's own module is not imported: it would hold the whole annotated table (900 kB of JSON) for good.
"""

import unicodedata
from bisect import bisect_right
from functools import cache
from importlib import resources
from typing import Final

import msgspec

_PACKAGE: Final = "confusable_homoglyphs"
_LEFT_TO_RIGHT_MARK: Final = "\u200e"  # printed around right-to-left characters in confusables.txt


class _Lookalike(msgspec.Struct):
    c: str


class _Scripts(msgspec.Struct):
    iso_15924_aliases: list[str]
    code_points_ranges: list[tuple[int, int, int, int]]


def skeleton(text: str) -> str:
    """What a word looks like: two words are confusable when their skeletons are equal (UTS 39, section 4)."""
    prototypes = _prototypes()
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", "".join(prototypes.get(char, char) for char in decomposed))


def script(char: str) -> str:
    """The script of a character as its long name in capitals; COMMON where it belongs to several."""
    starts, ranges, names = _script_ranges()
    point = ord(char)
    at = bisect_right(starts, point) - 1
    if at < 0:
        return "UNKNOWN"
    end, name = ranges[at]
    return names[name] if point <= end else "UNKNOWN"


@cache
def _prototypes() -> dict[str, str]:
    """Source character -> prototype.

    The file holds each line of confusables.txt in both directions. A prototype with several sources has
    several neighbours; in a lone pair the source is the one that was written first.
    """
    table = msgspec.json.decode(_read("confusables.json"), type=dict[str, list[_Lookalike]])
    found: dict[str, str] = {}
    seen: set[str] = set()
    for source, neighbours in table.items():
        seen.add(source)
        if len(neighbours) != 1:
            continue
        target = neighbours[0].c
        if len(table[target]) == 1 and target in seen:
            continue
        plain = source.replace(_LEFT_TO_RIGHT_MARK, "")
        if len(plain) == 1:
            found[plain] = target.replace(_LEFT_TO_RIGHT_MARK, "")
    return found


@cache
def _script_ranges() -> tuple[list[int], list[tuple[int, int]], list[str]]:
    data = msgspec.json.decode(_read("categories.json"), type=_Scripts)
    starts = [first for first, _, _, _ in data.code_points_ranges]
    ranges = [(last, name) for _, last, name, _ in data.code_points_ranges]
    return starts, ranges, data.iso_15924_aliases


def _read(name: str) -> bytes:
    return resources.files(_PACKAGE).joinpath(name).read_bytes()
