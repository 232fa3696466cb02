"""The compiled table of routes: a path is found by walking its segments, once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from payments.dialect import expand, form
from payments.dialect.errors import InvalidRequest
from payments.dialect.expand import Noun
from payments.dialect.lists import LIMIT_MAX
from payments.dialect.params import Field, Integer, ListOf, Text, read_fields
from payments.dialect.routes import Handler, Route

_EXPAND = ListOf(Text(), 50)
_LIST: Mapping[str, Field] = {
    "limit": Integer(1, LIMIT_MAX),
    "starting_after": Text(),
    "ending_before": Text(),
}


def fields_of(route: Route) -> dict[str, Field]:
    """All parameters of a route, those that it shares with others included."""
    return {**route.params, **(_LIST if route.list else {}), "expand": _EXPAND}


@dataclass(frozen=True, slots=True)
class Compiled:
    """`path` is for the framework's layers, which take the label of metrics and traces from it."""

    route: Route
    path: str
    handler: Handler
    fields: Mapping[str, Field]
    nouns: Mapping[str, Noun]

    def read(self, tree: Mapping[str, form.Raw]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The checked parameters, and what to expand. Raises InvalidRequest."""
        params = read_fields(self.fields, tree)
        if "starting_after" in params and "ending_before" in params and self.route.list:
            raise InvalidRequest(
                "Received both ending_before and starting_after parameters. Please pass in only one.",
                code="parameters_exclusive",
            )
        paths = params.get("expand")
        if not paths:
            return params, ()
        return params, expand.check(self.nouns, self.route.noun, paths, is_list=self.route.list)


@dataclass(slots=True)
class _Node:
    named: dict[str, "_Node"] = field(default_factory=dict)
    any: "_Node | None" = None
    by_method: dict[str, Compiled] = field(default_factory=dict)


class Table:
    """Routes by method and path; `{id}` takes any segment that is not empty, a fixed name goes before it."""

    def __init__(self, routes: Iterable[Route], nouns: Mapping[str, Noun]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route, nouns)

    def _add(self, route: Route, nouns: Mapping[str, Noun]) -> None:
        node = self._root
        for segment in route.path.split("/")[1:]:
            if segment.startswith("{"):
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.named.setdefault(segment, _Node())
        if route.method in node.by_method:
            raise ValueError(f"{route.method} {route.path} is declared twice")
        node.by_method[route.method] = Compiled(route, route.path, route.handler, fields_of(route), nouns)

    def find(self, method: str, path: str) -> tuple[Compiled, tuple[str, ...]] | None:
        """The route and the ids of the path."""
        node: _Node | None = self._root
        ids: list[str] = []
        for segment in path.split("/")[1:]:
            assert node is not None  # noqa: S101 checked at the end of each turn
            following = node.named.get(segment)
            if following is None and segment:
                following = node.any
                ids.append(segment)
            node = following
            if node is None:
                return None
        found = node.by_method.get(method) if node is not None else None
        return None if found is None else (found, tuple(ids))
