"""Expansion: ids in an answer give way to the objects they name: `expand[]=a.b`, on lists `data.a.b`."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chassis.postgres import Connection

from payments.dialect.calls import Call
from payments.dialect.errors import InvalidRequest

DEPTH_MAX: Final = 4

Document = dict[str, Any]
Loader = Callable[[Connection, str, Sequence[str]], Awaitable[Mapping[str, Document]]]
"""`load(conn, account_id, ids)` gives the account's rendered objects by id; unknown ids are left out."""

_Tree = dict[str, "_Tree"]
_Place = tuple[Document, str]


@dataclass(frozen=True, slots=True)
class Noun:
    """A kind of object: the prefix of its ids, and `fields`: a path in it, to what the id there names.

    A field that may name several kinds tells them all, and the id's prefix decides:
    `Noun("balance_transaction", "txn", load, {"source": "charge|refund"})`.
    """

    name: str
    prefix: str
    load: Loader
    fields: Mapping[str, str] = field(default_factory=dict)


def check(nouns: Mapping[str, Noun], noun: str, paths: Sequence[str], *, is_list: bool) -> tuple[str, ...]:
    """The paths, without the `data.` of a list. Raises InvalidRequest for one that leads nowhere."""
    checked = []
    for path in paths:
        if path.count(".") >= DEPTH_MAX:
            raise InvalidRequest(
                f"You cannot expand more than {DEPTH_MAX} levels of a property. Property: {path}", "expand"
            )
        within = path.removeprefix("data.") if is_list else path
        if "" in path.split(".") or (is_list and within == path) or not _leads(nouns, [noun], within):
            hint = f" Did you mean 'data.{path}'?" if is_list and _leads(nouns, [noun], path) else ""
            raise InvalidRequest(f"This property cannot be expanded ({path}).{hint}", "expand")
        checked.append(within)
    return tuple(checked)


def _leads(nouns: Mapping[str, Noun], starts: Sequence[str], path: str) -> bool:
    return not path or any(
        _leads(nouns, nouns[name].fields[head].split("|"), rest)
        for name in starts
        if name in nouns
        for head, rest in _splits(path)
        if head in nouns[name].fields
    )


def _splits(path: str) -> Iterator[tuple[str, str]]:
    """Field names may hold dots themselves: `a.b.c` is `a` and `b.c`, or `a.b` and `c`, or all."""
    parts = path.split(".")
    for at in range(1, len(parts) + 1):
        yield ".".join(parts[:at]), ".".join(parts[at:])


async def apply(nouns: Mapping[str, Noun], conn: Connection, call: Call, document: Document) -> Document:
    """The document with what `call.expand` names put in; the paths were checked, the original stays as it is.

    One look-up a field and level, however long a list is.
    """
    if not call.expand or call.noun not in nouns:
        return document
    tree = _tree(nouns, call.noun, call.expand)
    whole = dict(document)
    if whole.get("object") == "list":
        whole["data"] = tops = [dict(item) for item in whole["data"]]
    else:
        tops = [whole]
    await _expand(nouns, conn, call.account.id, {call.noun: tops}, tree)
    return whole


def _tree(nouns: Mapping[str, Noun], noun: str, paths: Sequence[str]) -> _Tree:
    """The fields to expand, each with those of what it names."""
    tree: _Tree = {}
    for path in paths:
        _grow(nouns, [noun], path, tree)
    return tree


def _grow(nouns: Mapping[str, Noun], starts: Sequence[str], path: str, tree: _Tree) -> None:
    for name in starts:
        for head, rest in _splits(path) if path and name in nouns else ():
            target = nouns[name].fields.get(head)
            if target is not None and _leads(nouns, target.split("|"), rest):
                _grow(nouns, target.split("|"), rest, tree.setdefault(head, {}))


async def _expand(
    nouns: Mapping[str, Noun],
    conn: Connection,
    account_id: str,
    documents: Mapping[str, Sequence[Document]],
    tree: _Tree,
) -> None:
    """Fills in one level of every document, then the levels below."""
    for path, below in tree.items():
        places: dict[str, list[_Place]] = {}
        for name, items in documents.items():
            target = nouns[name].fields.get(path)
            if target is None:
                continue
            for item in items:
                place = _place(item, path)
                if place is not None:
                    places.setdefault(_noun_of(nouns, target, place), []).append(place)
        filled = {name: await _fill(nouns[name], conn, account_id, found) for name, found in places.items()}
        if below:
            await _expand(nouns, conn, account_id, filled, below)


def _place(item: Document, path: str) -> _Place | None:
    """The hash that holds the field, copied on the way down; None when there is nothing to expand."""
    *way, key = path.split(".")
    for step in way:
        if not isinstance(item.get(step), dict):
            return None
        item[step] = item = dict(item[step])
    return (item, key) if item.get(key) else None


def _noun_of(nouns: Mapping[str, Noun], target: str, place: _Place) -> str:
    first, *others = target.split("|")
    value = place[0][place[1]]
    for name in others:
        if isinstance(value, str) and value.startswith(nouns[name].prefix + "_"):
            return name
        if isinstance(value, dict) and value.get("object") == name:
            return name
    return first


async def _fill(noun: Noun, conn: Connection, account_id: str, places: Sequence[_Place]) -> list[Document]:
    """Puts the objects in their places; what is an object already stays one."""
    ids = {holder[key] for holder, key in places if isinstance(holder[key], str)}
    loaded = await noun.load(conn, account_id, sorted(ids)) if ids else {}
    filled = []
    for holder, key in places:
        value = holder[key]
        found = loaded.get(value) if isinstance(value, str) else value
        if found is not None:
            holder[key] = dict(found)
            filled.append(holder[key])
    return filled
