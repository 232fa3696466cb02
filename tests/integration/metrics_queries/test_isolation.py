"""Nobody reads across: every parameter that could say "somebody else" is tried against a real store."""

import itertools
import time
from typing import Any

import pytest
from metrics_ingest.api.queries import ROUTES

from tests.integration.metrics_queries.world import World

OTHERS = "signalbox_tenant"
SECRET = "of-two-alone"


async def put_both(world: World) -> int:
    """The same metric of both tenants; `secret` and `only_two` are the second one's."""
    now_ms = int(time.time()) * 1000
    await world.put("one", "shared", [(now_ms, 1.0)], job="a")
    await world.put("two", "shared", [(now_ms, 2.0)], job="b", secret=SECRET)
    await world.put("two", "only_two", [(now_ms, 2.0)], secret=SECRET)
    return now_ms // 1000


CROSSING_QUERIES = [
    'shared{signalbox_tenant="two"}',
    'shared{signalbox_tenant=~".*"}',
    'shared{signalbox_tenant!="one"}',
    'shared{signalbox_tenant=""}',
    'shared{signalbox_tenant!~"one"}',
    '{signalbox_tenant="two"}',
    '{"signalbox_tenant"="two"}',
    '{__name__=~".+"}',
    '{signalbox_tenant="one" or signalbox_tenant="two"}',
    '{job="a" or secret!=""}',
    'shared or only_two or {secret=~".+"}',
    "sum by (signalbox_tenant, secret) (shared)",
    'count_values("v", shared)',
    "max_over_time(sum by (secret) (shared)[5m:1m])",
    "only_two[5m]",
    'shared{signalbox_tenant="two"}[5m]',
    'absent(only_two{secret="x"}) + on () group_left (secret) only_two',
    'label_replace(shared, "stolen", "$1", "signalbox_tenant", "(.*)")',
    'WITH (f = {signalbox_tenant="two"}) shared{f}',
    'union(shared, {signalbox_tenant="two"})',
    '{__graphite__="*"}',
    'topk(10, {__name__!="", signalbox_tenant=~"two|one"})',
    'label_set(only_two, "signalbox_tenant", "one")',
    '{__name__=~"shared|only_two"} keep_metric_names or on (secret) only_two',
    "only_two offset -1s or only_two @ end()",
]
SELECTORS = [query for query in CROSSING_QUERIES if query.endswith("}") and query[0] in "{os"]


async def test_no_expression_reads_what_is_anothers(world: World) -> None:
    at_s = await put_both(world)
    client = world.served.client("one")
    ranged = {"start": str(at_s - 60), "end": str(at_s + 60), "step": "15"}
    answered = 0
    for query in CROSSING_QUERIES:
        for path, times in (("query", {"time": str(at_s + 1)}), ("query_range", ranged)):
            for answer in (
                await client.get(f"/api/v1/{path}", params={"query": query, **times}),
                await client.post(f"/api/v1/{path}", data={"query": query, **times}),
            ):
                assert answer.status_code in {200, 400, 422}, (query, answer.text)
                assert OTHERS not in answer.text.replace(query, "")
                if answer.status_code == 200:
                    assert_ours(answer.json(), query)
                    answered += 1
    assert answered > len(CROSSING_QUERIES)


async def test_no_selector_lists_what_is_anothers(world: World) -> None:
    await put_both(world)
    client = world.served.client("one")
    for match in SELECTORS:
        for path in ("series", "labels", "label/job/values", "label/__name__/values", "label/secret/values"):
            answer = await client.get(f"/api/v1/{path}", params={"match[]": match})
            assert answer.status_code in {200, 400}, (match, answer.text)
            if answer.status_code == 200:
                for word in (OTHERS, SECRET, "only_two", '"b"', '"two"'):
                    assert word not in answer.text, (match, path)


def assert_ours(document: dict[str, Any], query: str) -> None:
    for series in document["data"]["result"]:
        labels = series["metric"]
        assert OTHERS not in labels, query
        assert not {SECRET, "two", "only_two", "b"} & set(labels.values()), query


SMUGGLED = [
    [("extra_filters[]", '{signalbox_tenant="two"}')],
    [("extra_filters", '{signalbox_tenant="two"}')],
    [("extra_filters[]", "{}"), ("extra_filters[]", '{signalbox_tenant!=""}')],
    [("extra_label", "signalbox_tenant=two")],
    [("match[]", '{signalbox_tenant="two"}'), ("match[]", "only_two")],
    [("match", "only_two")],
    [("tenant", "two"), ("accountID", "2"), ("db", "two")],
    [("query", "only_two"), ("query", '{signalbox_tenant="two"}')],
]


@pytest.mark.parametrize("where", ["address", "form", "both"])
async def test_no_parameter_leads_to_another_tenant(world: World, where: str) -> None:
    at_s = await put_both(world)
    client = world.served.client("one")
    everything = '{__name__!=""}'
    own: dict[str, list[tuple[str, str]]] = {
        "query": [("query", everything), ("time", str(at_s + 1))],
        "series": [("match[]", everything)],
        "labels": [],
        "label/secret/values": [],
        "label/__name__/values": [],
    }
    for (path, asked), more in itertools.product(own.items(), SMUGGLED):
        parts = [*asked, *more]
        query = parts if where != "form" else []
        form = dict_of(parts) if where != "address" else None
        method = "GET" if form is None else "POST"
        answer = await client.request(method, f"/api/v1/{path}", params=dict_of(query), data=form)
        assert answer.status_code == 200, answer.text
        for word in (SECRET, "only_two", OTHERS):
            assert word not in answer.text, (path, more)


def dict_of(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


async def test_each_tenant_sees_its_own_and_never_the_label_that_tells_them_apart(world: World) -> None:
    at_s = await put_both(world)
    for tenant, value, names in (("one", "1", ["shared"]), ("two", "2", ["only_two", "shared"])):
        client = world.served.client(tenant)
        found = (await client.get("/api/v1/query", params={"query": "shared", "time": at_s})).json()
        assert [row["value"][1] for row in found["data"]["result"]] == [value]
        assert (await client.get("/api/v1/label/__name__/values")).json()["data"] == names
        labels = (await client.post("/api/v1/labels")).json()["data"]
        assert labels == ["__name__", "job"] if tenant == "one" else ["__name__", "job", "secret"]
        assert (await client.get("/api/v1/label/signalbox_tenant/values")).json()["data"] == []
        series = (await client.get("/api/v1/series", params={"match[]": "shared"})).json()["data"]
        assert len(series) == 1
        assert OTHERS not in series[0]


async def test_metadata_and_buildinfo_tell_nothing_of_others_nor_of_the_store(world: World) -> None:
    client = world.served.client("one")
    assert (await client.get("/api/v1/metadata")).json() == {"status": "success", "data": {}}
    answer = await client.get("/api/v1/status/buildinfo")
    assert "victoria" not in answer.text.lower()
    assert "1.79" not in answer.text


async def test_a_tenant_without_series_has_no_labels(world: World) -> None:
    await put_both(world)
    client = world.served.client("one")
    for parameters in ({"match[]": "no_such"}, {"match[]": "only_two"}):
        answer = await client.get("/api/v1/labels", params=parameters)
        assert answer.json() == {"status": "success", "data": []}


async def test_no_route_answers_without_a_tenants_key(world: World) -> None:
    for client, status in ((world.served.client(None), 401), (world.served.operator(), 403)):
        for route in ROUTES:
            path = route.path.replace("{name:path}", "job")
            answer = await client.get(f"/api/v1{path}", params={"query": "up", "match[]": "up"})
            assert (answer.status_code, answer.json()["status"]) == (status, "error"), path
