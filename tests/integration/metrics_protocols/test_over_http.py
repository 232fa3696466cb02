"""Each protocol through the whole app: what reaches the log, and failures in the sender's own form."""

import gzip
import itertools
import json
import time
import zlib
from collections.abc import Callable

import httpx
import pytest
import zstandard
from chassis.kafka import BrokerAway
from google.protobuf import json_format
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from metrics_ingest.receivers.otlp import JSON, PROTOBUF
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from tests.support import otlp, remote_write
from tests.support.metrics import Log, Served, key_of

NOW_S = int(time.time())
NOW_NS = NOW_S * 10**9
ROUTES = ("/v1/metrics", "/write", "/api/v2/write", "/api/v2/series", "/api/v1/import/prometheus")


def written(log: Log) -> dict[str, tuple[int, float]]:
    """The last sample of every series in the log, its labels as `name{a,b}`."""
    found = {}
    for record in log.records:
        for labels, samples in remote_write.read(remote_write.unsnap(record.value or b"\0")):
            plain = {name.decode(): value.decode() for name, value in labels.items()}
            name = plain.pop("__name__")
            inner = ",".join(f"{key}={value}" for key, value in sorted(plain.items()))
            found[f"{name}{{{inner}}}"] = samples[-1]
    return found


async def test_an_export_is_partly_successful_and_says_of_what(api: httpx.AsyncClient, log: Log) -> None:
    request = otlp.request(
        otlp.gauge("system.cpu.utilization", otlp.number(0.5, at=NOW_NS), unit="1"),
        otlp.total("http.requests", otlp.number(7, at=NOW_NS)),
        otlp.total("changes", otlp.number(7, at=NOW_NS), temporality=otlp.DELTA),
        resource={"service__name": "cart", "service__namespace": "shop", "host__name": "h"},
    )

    answer = await api.post(
        "/v1/metrics",
        content=gzip.compress(request.SerializeToString()),
        headers={"content-type": PROTOBUF, "content-encoding": "gzip"},
    )

    assert (answer.status_code, answer.headers["content-type"]) == (200, PROTOBUF)
    partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert partial.rejected_data_points == 1
    assert "1 unsupported_temporality" in partial.error_message
    assert written(log) == {
        "system_cpu_utilization_ratio{job=shop/cart}": (NOW_S * 1000, 0.5),
        "http_requests_total{job=shop/cart}": (NOW_S * 1000, 7.0),
        "target_info{host_name=h,job=shop/cart}": (NOW_S * 1000, 1.0),
    }
    assert (log.total("received"), log.total("accepted"), log.total("samples")) == (3, 2, 3)


async def test_json_is_the_same_export(api: httpx.AsyncClient, log: Log) -> None:
    request = otlp.request(otlp.gauge("g", otlp.number(0.5, at=NOW_NS)))

    answer = await api.post(
        "/v1/metrics", content=json_format.MessageToJson(request), headers={"content-type": JSON}
    )

    assert (answer.status_code, answer.json()) == (200, {})
    assert written(log) == {"g{}": (NOW_S * 1000, 0.5)}


async def test_line_protocol_has_its_precision_its_database_and_its_token(served: Served, log: Log) -> None:
    api = served.client(None, authorization=f"Token {key_of('one')}")

    one = await api.post("/write?db=d&precision=s", content=f"cpu,host=a v=1,n=2i,up=t {NOW_S}\n# nothing")
    two = await api.post("/api/v2/write?org=o&bucket=b&precision=us", content=f"m f=3 {NOW_S * 10**6}")

    assert (one.status_code, two.status_code) == (204, 204)
    assert written(log) == {
        "cpu_v{db=d,host=a}": (NOW_S * 1000, 1.0),
        "cpu_n{db=d,host=a}": (NOW_S * 1000, 2.0),
        "cpu_up{db=d,host=a}": (NOW_S * 1000, 1.0),
        "m_f{}": (NOW_S * 1000, 3.0),
    }


async def test_a_partial_write_says_so_in_the_form_of_its_version(api: httpx.AsyncClient, log: Log) -> None:
    body = 'm f=1,s="text"\nbad'

    one = await api.post("/write", content=body)
    two = await api.post("/api/v2/write", content=body)

    told = "partial write: 1 invalid_value, 1 malformed: line 1: invalid_value; line 2: malformed dropped=2"
    assert (one.status_code, one.json()) == (400, {"error": told})
    assert (two.status_code, two.json()) == (400, {"code": "invalid", "message": told})
    assert (log.total("received"), log.total("accepted")) == (6, 2)


@pytest.mark.parametrize(
    ("encoding", "pack"), [("zstd1", zstandard.compress), ("deflate", zlib.compress), ("gzip", gzip.compress)]
)
async def test_series_come_in_the_encodings_of_datadogs_clients(
    served: Served, log: Log, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    series = {
        "metric": "system.load",
        "type": 3,
        "points": [{"timestamp": NOW_S, "value": 0.7}, {"timestamp": NOW_S, "value": "much"}],
        "tags": ["env:prod"],
        "resources": [{"type": "host", "name": "a"}],
    }
    headers = {"dd-api-key": key_of("one"), "content-encoding": encoding, "content-type": JSON}

    answer = await served.client(None).post(
        "/api/v2/series", content=pack(json.dumps({"series": [series]}).encode()), headers=headers
    )

    assert (answer.status_code, answer.json()) == (
        202,
        {"errors": ["rejected: 1 invalid_value", "point 1: invalid_value"]},
    )
    assert written(log) == {"system_load{env=prod,host=a}": (NOW_S * 1000, 0.7)}


FAILURES: list[tuple[str, str, dict[str, str]]] = [
    (route, media_type, headers)
    for route, media_type in (
        ("/v1/metrics", PROTOBUF),
        ("/v1/metrics", JSON),
        ("/write", "text/plain"),
        ("/api/v2/write", "text/plain"),
        ("/api/v2/series", JSON),
    )
    for headers in (
        {"authorization": "Bearer nobody-knows-this-key"},
        {"content-length": str(33 * 2**20)},
        {"content-encoding": "br"},
        {"content-encoding": "gzip"},
    )
]


async def test_failures_have_the_form_of_their_protocol(api: httpx.AsyncClient, log: Log) -> None:
    statuses = itertools.cycle((401, 413, 415, 400))
    for (route, media_type, headers), status in zip(FAILURES, statuses, strict=False):
        answer = await api.post(route, content=b"\x1f\x8b", headers={"content-type": media_type} | headers)

        assert answer.status_code == status, (route, headers, answer.text)
        assert told(route, answer), (route, headers, answer.text)
    assert not log.records


def told(route: str, answer: httpx.Response) -> str:
    """The words of a failure, from where the protocol's senders look for them."""
    if answer.headers["content-type"] == PROTOBUF:
        return str(Status.FromString(answer.content).message)
    body = answer.json()
    if route == "/write":
        return str(body["error"])
    return "".join(body["errors"]) if route == "/api/v2/series" else str(body["message"])


async def test_senders_of_otlp_are_told_when_to_come_again(served: Served, log: Log) -> None:
    body = otlp.request(otlp.gauge("g", *[otlp.number(1, at=NOW_NS)] * 20)).SerializeToString()
    log.failure = BrokerAway("left")
    away = await served.client().post("/v1/metrics", content=body, headers={"content-type": PROTOBUF})
    log.failure = None
    await served.limit("two", points_per_s=1)
    two = served.client("two")
    for _ in range(2):
        answer = await two.post("/v1/metrics", content=body, headers={"content-type": PROTOBUF})

    assert (away.status_code, Status.FromString(away.content).code) == (503, 14)
    assert (answer.status_code, Status.FromString(answer.content).code) == (429, 8)
    assert min(int(one.headers["retry-after"]) for one in (away, answer)) >= 1


async def test_a_defect_of_ours_is_told_to_senders_of_otlp_as_passing(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(served.resources.judge, "points", broken)
    body = otlp.request(otlp.gauge("g", otlp.number(1, at=NOW_NS))).SerializeToString()

    answer = await served.client().post("/v1/metrics", content=body, headers={"content-type": PROTOBUF})

    assert (answer.status_code, Status.FromString(answer.content).code) == (503, 14)
    assert int(answer.headers["retry-after"]) >= 1


HOSTILE = (
    b"",
    b"\0" * 100,
    b"\xff" * 100,
    b"[" * 50_000,
    b'{"a":' * 50_000,
    b"\x0a\xff\xff\xff\xff\x0f",
    b"\x0a" * 10_000,
    b'{"resourceMetrics": "\\ud800", "series": [{"metric": "\\ud800", "points": [0, null]}]}',
    b'{"series": [{"metric": "m", "points": [{"timestamp": 1%b, "value": 1}]}]}' % (b"0" * 400),
    b"m,a=" + b"\\" * 9999 + b" f=1 " + b"9" * 9999,
    b'm{a="' + b"\\" * 9999 + b'"} 1e9999 ' + b"9" * 9999,
    b'm f="' * 5000,
)


@pytest.mark.parametrize("route", ROUTES)
async def test_whatever_bytes_come_it_is_the_senders_error_or_none(
    api: httpx.AsyncClient, log: Log, route: str
) -> None:
    for body, media_type in itertools.product(HOSTILE, (PROTOBUF, JSON, "text/plain")):
        for content, encoding in ((body, ""), (gzip.compress(body), "gzip"), (body, "deflate")):
            answer = await api.post(
                route, content=content, headers={"content-type": media_type, "content-encoding": encoding}
            )

            assert answer.status_code in {200, 202, 204, 400, 413, 415}, (body[:20], media_type, answer.text)
    assert log.total("received") == log.total("accepted") + sum(
        sum(json.loads(headers["rejected"]).values()) for headers in log.headers()
    )
