"""The table of routes."""

import pytest
from payments.dialect.calls import Call
from payments.dialect.errors import InvalidRequest
from payments.dialect.routes import Route
from payments.dialect.table import Table
from payments.resources import Resources


async def handler(_res: Resources, _call: Call) -> dict[str, object]:
    return {}


TABLE = Table(
    [
        Route("GET", "/v1/notes", handler, list=True),
        Route("POST", "/v1/notes", handler),
        Route("GET", "/v1/notes/search", handler),
        Route("GET", "/v1/notes/{id}", handler),
        Route("POST", "/v1/notes/{id}/close", handler),
        Route("GET", "/v1/notes/{id}/lines/{line}", handler),
    ],
    {},
)


@pytest.mark.parametrize(
    ("method", "path", "route", "ids"),
    [
        ("GET", "/v1/notes", "/v1/notes", ()),
        ("POST", "/v1/notes", "/v1/notes", ()),
        ("GET", "/v1/notes/n1", "/v1/notes/{id}", ("n1",)),
        ("GET", "/v1/notes/search", "/v1/notes/search", ()),
        ("POST", "/v1/notes/n1/close", "/v1/notes/{id}/close", ("n1",)),
        ("GET", "/v1/notes/n1/lines/l1", "/v1/notes/{id}/lines/{line}", ("n1", "l1")),
    ],
)
def test_a_path_finds_its_route(method: str, path: str, route: str, ids: tuple[str, ...]) -> None:
    found = TABLE.find(method, path)
    assert found is not None
    assert (found[0].path, found[0].route.method, found[1]) == (route, method, ids)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1"),
        ("GET", "/v1/"),
        ("GET", "/v1/notes/"),
        ("GET", "/v1//notes"),
        ("GET", "/v1/notes//lines/l1"),
        ("GET", "/v1/notes/n1/lines/"),
        ("GET", "/v1/notes/n1/more"),
        ("DELETE", "/v1/notes/n1"),
        ("GET", "/v1/notes/n1/close"),
        ("GET", ""),
    ],
)
def test_another_path_finds_nothing(method: str, path: str) -> None:
    assert TABLE.find(method, path) is None


def test_a_route_is_declared_once() -> None:
    route = Route("GET", "/v1/notes/{id}", handler)
    with pytest.raises(ValueError, match="declared twice"):
        Table([route, Route("GET", "/v1/notes/{note}", handler)], {})


def test_a_list_takes_the_parameters_of_pages_and_others_do_not() -> None:
    listed, single = TABLE.find("GET", "/v1/notes"), TABLE.find("GET", "/v1/notes/n1")
    assert listed is not None
    assert single is not None
    assert listed[0].read({"limit": "5"}) == ({"limit": 5}, ())
    with pytest.raises(InvalidRequest, match="unknown parameter: limit"):
        single[0].read({"limit": "5"})
