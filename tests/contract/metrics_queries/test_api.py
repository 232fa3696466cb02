"""The document of the query API, against what Prometheus' clients call."""

from typing import Any

import pytest
from metrics_ingest.api.queries import ROUTES

from tests.support.metrics import document


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    found: dict[str, Any] = document()["paths"]
    return found


PROMETHEUS = (
    "query",
    "query_range",
    "series",
    "labels",
    "label/{name}/values",
    "status/buildinfo",
    "metadata",
    "query_exemplars",
    "rules",
    "alerts",
)


@pytest.mark.parametrize("path", PROMETHEUS)
def test_every_route_is_there_by_get_and_by_post_with_a_key(paths: dict[str, Any], path: str) -> None:
    operations = paths[f"/api/v1/{path}"]
    assert set(operations) == {"get", "post"}
    for operation in operations.values():
        assert operation["security"] == [{"ApiKey": []}]
        assert {"200", "400", "401", "422", "503"} <= set(operation["responses"])


def test_operations_have_names_of_their_own(paths: dict[str, Any]) -> None:
    names = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(names) == len(set(names))


def test_parameters_are_the_same_in_the_address_and_in_the_form(paths: dict[str, Any]) -> None:
    for route in ROUTES:
        operations = paths["/api/v1" + route.path.replace(":path", "")]
        address = {one["name"] for one in operations["get"].get("parameters", []) if one["in"] == "query"}
        form = operations["post"].get("requestBody", {}).get("content", {})
        names = {name for one in form.values() for name in one["schema"]["properties"]}
        assert address == names == set(route.parameters)


def test_nothing_that_only_the_store_knows_is_a_parameter() -> None:
    offered = {name for route in ROUTES for name in route.parameters}
    assert not offered & {
        "extra_filters[]",
        "extra_label",
        "nocache",
        "trace",
        "max_lookback",
        "round_digits",
    }
