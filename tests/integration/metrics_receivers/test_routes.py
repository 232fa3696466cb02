"""Every ingestion route: who may, how much, in which form it says no, and what reaches the log."""

import gzip
import time

import cramjam
import httpx
import pytest
import zstandard
from chassis.kafka import BrokerAway

from tests.support import remote_write
from tests.support.metrics import Log, Served, key_of

NOW_S = int(time.time())
WRITE_2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
ROUTES = (
    "/api/v1/write",
    "/api/v1/points",
    "/api/v1/import/prometheus",
    "/v1/metrics",
    "/write",
    "/api/v2/write",
    "/api/v2/series",
)
WRITTEN = "x-prometheus-remote-write-samples-written"


def write_request(count: int, *, bad: int = 0) -> bytes:
    """Series of one sample now each, and `bad` ones of ten days from now."""
    timeseries = [
        remote_write.series([("__name__", "up"), ("i", str(number))], [(NOW_S * 1000, 1.0)])
        for number in range(count)
    ]
    timeseries += [
        remote_write.series([("__name__", "late"), ("i", str(number))], [((NOW_S + 864_000) * 1000, 1.0)])
        for number in range(bad)
    ]
    return remote_write.request(timeseries)


async def write(api: httpx.AsyncClient, message: bytes, **headers: str) -> httpx.Response:
    sent = {"content-encoding": "snappy", "content-type": "application/x-protobuf", **headers}
    return await api.post("/api/v1/write", content=remote_write.snap(message), headers=sent)


@pytest.mark.parametrize("route", ROUTES)
async def test_without_a_key_nobody_writes(served: Served, log: Log, route: str) -> None:
    answer = await served.client(None).post(route, content=b"{}")

    assert answer.status_code == 401
    assert "Bearer" in answer.headers["www-authenticate"]
    assert not log.records


@pytest.mark.parametrize("route", ROUTES)
async def test_the_operators_key_writes_for_nobody(served: Served, route: str) -> None:
    assert (await served.operator().post(route, content=b"{}")).status_code == 403


@pytest.mark.parametrize("route", ROUTES)
async def test_only_post_is_understood(api: httpx.AsyncClient, route: str) -> None:
    answer = await api.get(route)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("route", ROUTES)
async def test_an_unknown_encoding_is_415(api: httpx.AsyncClient, route: str) -> None:
    answer = await api.post(
        route, content=b"x", headers={"content-encoding": "br", "content-type": "application/x-protobuf"}
    )

    assert answer.status_code == 415


@pytest.mark.parametrize("route", ROUTES)
async def test_a_body_declared_too_large_is_413(api: httpx.AsyncClient, route: str) -> None:
    answer = await api.post(route, content=b"x", headers={"content-length": str(33 * 2**20)})

    assert answer.status_code == 413


async def test_forms_of_keys_that_protocols_have_besides(served: Served) -> None:
    nobody = served.client(None)
    token = {"authorization": f"Token {key_of('one')}"}
    header = {"dd-api-key": key_of("one"), "content-type": "application/json"}

    assert (await nobody.post("/write", content=b"cpu v=1", headers=token)).status_code == 204
    assert (await nobody.post("/api/v2/write", content=b"cpu v=1", headers=token)).status_code == 204
    assert (await nobody.post("/api/v2/series", content=b'{"series": []}', headers=header)).status_code == 202
    assert (await nobody.post("/api/v1/points", content=b"{}", headers=token)).status_code == 401
    basic = await nobody.post("/write", content=b"cpu v=1", auth=("anyone", key_of("one")))
    assert basic.status_code == 204


async def test_json_points_tell_what_became_of_each(api: httpx.AsyncClient, log: Log) -> None:
    points = [
        {"name": "up", "labels": {"host": "a"}, "type": "gauge", "value": 1},
        {"name": "up", "labels": {"signalbox_tenant": "two"}, "value": 1},
        {"name": "late", "value": 1, "timestamp_ms": (NOW_S + 864_000) * 1000},
    ]

    answer = await api.post("/api/v1/points", json={"points": points})

    assert answer.status_code == 202
    told = answer.json()
    assert told["accepted"] == 1
    assert told["rejected"] == [
        {"index": 1, "reason": "reserved_label"},
        {"index": 2, "reason": "too_far_in_future"},
    ]
    assert told["position"] == "p0:0"
    (headers,) = log.headers()
    assert headers["ce_id"] == told["batch_id"]
    assert (headers["tenant"], headers["received"], headers["accepted"]) == ("one", "3", "1")


async def test_json_in_which_nothing_is_valid_is_400_and_accounted_for(
    api: httpx.AsyncClient, log: Log
) -> None:
    answer = await api.post("/api/v1/points", json={"points": [{"name": "", "value": 1}]})

    assert answer.status_code == 400
    assert answer.json()["code"] == "nothing_accepted"
    assert answer.json()["rejected"] == [{"index": 0, "reason": "missing_name"}]
    assert (log.total("received"), log.total("accepted")) == (1, 0)


async def test_more_refusals_than_examples_are_all_told_in_json(api: httpx.AsyncClient) -> None:
    points = [{"name": "up", "value": 1}, *({"name": "", "value": 1} for _ in range(500))]

    answer = await api.post("/api/v1/points", json={"points": points})

    assert [one["index"] for one in answer.json()["rejected"]] == list(range(1, 501))


async def test_a_remote_write_body_travels_as_it_came(api: httpx.AsyncClient, log: Log) -> None:
    message = write_request(3)

    answer = await write(api, message)

    assert (answer.status_code, answer.headers[WRITTEN], answer.content) == (204, "3", b"")
    assert log.records[0].value == remote_write.snap(message)


async def test_one_bad_series_of_many_is_named_and_the_others_are_written(
    api: httpx.AsyncClient, log: Log
) -> None:
    answer = await write(api, write_request(499, bad=1))

    assert (answer.status_code, answer.headers[WRITTEN]) == (400, "499")
    assert "1 too_far_in_future" in answer.text
    assert "series 499" in answer.text
    assert (log.total("received"), log.total("accepted")) == (500, 499)


async def test_remote_write_2_is_told_apart_by_its_content_type(api: httpx.AsyncClient, log: Log) -> None:
    request = remote_write.Request2()
    request.add([("__name__", "up"), ("i", "1")], [(NOW_S * 1000, 2.5)])

    answer = await write(api, request.encode(), **{"content-type": WRITE_2})

    assert (answer.status_code, answer.headers[WRITTEN]) == (204, "1")
    assert answer.headers["x-prometheus-remote-write-histograms-written"] == "0"
    assert answer.headers["x-prometheus-remote-write-exemplars-written"] == "0"
    ((labels, samples),) = remote_write.read(remote_write.unsnap(log.records[0].value or b""))
    assert labels == {b"__name__": b"up", b"i": b"1"}
    assert samples == [(NOW_S * 1000, 2.5)]


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "framed"])
async def test_remote_write_comes_in_other_encodings_too(
    api: httpx.AsyncClient, log: Log, encoding: str
) -> None:
    message = write_request(3)
    packed = {
        "gzip": gzip.compress(message),
        "zstd": zstandard.compress(message),
        "framed": bytes(cramjam.snappy.compress(message)),
    }[encoding]
    named = "snappy" if encoding == "framed" else encoding

    answer = await api.post(
        "/api/v1/write",
        content=packed,
        headers={"content-encoding": named, "content-type": "application/x-protobuf"},
    )

    assert answer.status_code == 204, answer.text
    assert remote_write.unsnap(log.records[0].value or b"") == message


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-protobuf;proto=prometheus.Other", "text/plain"]
)
async def test_remote_write_of_another_type_is_415_and_has_its_headers(
    api: httpx.AsyncClient, content_type: str
) -> None:
    answer = await write(api, write_request(1), **{"content-type": content_type})

    assert (answer.status_code, answer.headers[WRITTEN]) == (415, "0")


async def test_a_block_that_says_it_is_4_gib_is_413(api: httpx.AsyncClient) -> None:
    answer = await api.post(
        "/api/v1/write",
        content=b"\xff\xff\xff\xff\x0f" + b"\0" * 100,
        headers={"content-encoding": "snappy", "content-type": "application/x-protobuf"},
    )

    assert (answer.status_code, answer.headers[WRITTEN]) == (413, "0")


async def test_metadata_alone_is_no_point(api: httpx.AsyncClient, log: Log) -> None:
    answer = await write(api, remote_write.request([], metadata=["up"]))

    assert answer.status_code == 204
    assert not log.records


async def test_exposition_text_is_taken_line_by_line(api: httpx.AsyncClient, log: Log) -> None:
    text = b'# TYPE up gauge\nup{a="b"} 1\nup{a="c"} much\n'

    answer = await api.post("/api/v1/import/prometheus", content=text, headers={"content-type": "text/plain"})

    assert answer.status_code == 400
    assert "accepted 1 of 2 lines" in answer.text
    assert "line 3: invalid_value" in answer.text
    assert (log.total("received"), log.total("accepted")) == (2, 1)


@pytest.mark.parametrize("route", ROUTES)
async def test_while_the_broker_is_away_nothing_is_acknowledged(served: Served, log: Log, route: str) -> None:
    log.failure = BrokerAway("left")
    api = served.client()
    bodies = {
        "/api/v1/write": (remote_write.snap(write_request(1)), "application/x-protobuf"),
        "/api/v1/points": (b'{"points": [{"name": "up", "value": 1}]}', "application/json"),
        "/api/v1/import/prometheus": (b"up 1\n", "text/plain"),
        "/v1/metrics": (
            b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "up", "gauge": {"dataPoints":'
            b' [{"timeUnixNano": "%d", "asInt": "1"}]}}]}]}]}' % (NOW_S * 10**9),
            "application/json",
        ),
        "/write": (b"cpu v=1", "text/plain"),
        "/api/v2/write": (b"cpu v=1", "text/plain"),
        "/api/v2/series": (
            b'{"series": [{"metric": "up", "type": 3, "points": [{"timestamp": %d, "value": 1}]}]}' % NOW_S,
            "application/json",
        ),
    }
    body, content_type = bodies[route]

    answer = await api.post(route, content=body, headers={"content-type": content_type})

    assert answer.status_code == 503, answer.text
    assert 1 <= int(answer.headers["retry-after"]) <= 5


async def test_above_its_rate_a_tenant_is_told_429_and_others_go_on(served: Served, log: Log) -> None:
    # More than the burst: weighed as the burst, which takes a hundred seconds to come back.
    await served.limit("one", points_per_s=0.01)
    points = {"points": [{"name": "up", "value": 1}] * 20}
    one, two = served.client("one"), served.client("two")

    first = await one.post("/api/v1/points", json=points)
    second = await one.post("/api/v1/points", json=points)

    assert (first.status_code, second.status_code) == (202, 429)
    assert int(second.headers["retry-after"]) >= 1
    assert (await two.post("/api/v1/points", json=points)).status_code == 202
    assert log.total("received") == 40


async def test_a_tenants_own_limits_count(served: Served) -> None:
    await served.limit("one", body_bytes_max=100, unpacked_bytes_max=1000)
    api = served.client()

    large = await api.post("/write", content=b"x" * 101)
    bomb = await api.post("/write", content=gzip.compress(b"x" * 2000), headers={"content-encoding": "gzip"})

    assert (large.status_code, bomb.status_code) == (413, 413)


async def test_a_series_bomb_is_refused_while_known_series_flow(served: Served, log: Log) -> None:
    await served.limit("one", active_series_max=3)
    api = served.client()
    assert (await write(api, write_request(3))).status_code == 204

    bomb = await write(api, write_request(10))
    again = await write(api, write_request(3))

    assert (bomb.status_code, bomb.headers[WRITTEN]) == (400, "3")
    assert "7 active_series_limit" in bomb.text
    assert again.status_code == 204
    found = (await api.get("/api/v1/cardinality")).json()
    assert (found["active_series"], found["active_series_max"], found["series_left"]) == (3, 3, 0)
    assert found["top_names"] == [{"name": "up", "series": 3}]
    assert log.total("accepted") == 9
