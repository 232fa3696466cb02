"""OTLP requests: each kind of point as its series, and what of a request is refused."""

import json
import struct
from typing import Any

import pytest
from google.protobuf import json_format
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from metrics_ingest.domain.bodies import BodyMalformed, BodyTooLarge
from metrics_ingest.receivers import otlp
from metrics_ingest.receivers.messages import Answer, Request
from metrics_ingest.receivers.parsing import otlp_pieces
from metrics_ingest.receivers.parsing.json_bounds import weight
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint as Exponential
from opentelemetry.proto.metrics.v1.metrics_pb2 import SummaryDataPoint

from tests.support.otlp import (
    CUMULATIVE,
    DELTA,
    NO_VALUE,
    NOW_NS,
    STALE,
    buckets,
    exponential,
    gauge,
    histogram,
    number,
    request,
    summary,
    total,
)
from tests.support.series_registry import NOW_MS, MemoryRegistry, judge, tenant
from tests.support.taken import Res


def http(body: bytes, media_type: str = otlp.PROTOBUF) -> Request:
    return Request("/v1/metrics", body, {"content-type": media_type})


async def export(res: Res, message: ExportMetricsServiceRequest) -> Answer:
    return await otlp.receive(res, tenant(), http(message.SerializeToString()))


async def partial(res: Res, message: ExportMetricsServiceRequest) -> tuple[int, str]:
    answer = await export(res, message)
    assert (answer.status, answer.headers["content-type"]) == (200, otlp.PROTOBUF)
    found = ExportMetricsServiceResponse.FromString(answer.body).partial_success
    return found.rejected_data_points, found.error_message


async def values(*metrics: Any, **more: Any) -> dict[str, float]:
    res = Res()
    assert await partial(res, request(*metrics, **more)) == (0, "")
    return res.values


async def test_gauges_and_sums_become_samples_with_their_suffixes() -> None:
    assert await values(
        gauge("queue.length", number(3, queue__name="a")),
        gauge("cpu.utilization", number(0.5), unit="1"),
        total("http.requests", number(7)),
        total("connections", number(2), monotonic=False),
    ) == {
        'queue_length{queue_name="a"}': 3.0,
        "cpu_utilization_ratio": 0.5,
        "http_requests_total": 7.0,
        "connections": 2.0,
    }


async def test_timestamps_become_ms() -> None:
    res = Res()
    await export(res, request(gauge("g", number(1, at=NOW_NS + 1_999_999))))
    assert res.stored == {"g": [(NOW_MS + 1, 1.0)]}


async def test_histograms_become_cumulative_buckets() -> None:
    assert await values(histogram("latency", buckets([1, 2, 3], [0.25, 5.0], sum=9.5), unit="s")) == {
        'latency_seconds_bucket{le="0.25"}': 1.0,
        'latency_seconds_bucket{le="5"}': 3.0,
        'latency_seconds_bucket{le="+Inf"}': 6.0,
        "latency_seconds_sum": 9.5,
        "latency_seconds_count": 6.0,
    }


async def test_a_histogram_without_buckets_or_sum_has_neither() -> None:
    point = buckets([], [], count=4)
    point.ClearField("sum")
    assert await values(histogram("h", point)) == {'h_bucket{le="+Inf"}': 4.0, "h_count": 4.0}


async def test_exponential_histograms_become_classic_ones() -> None:
    point = Exponential(time_unix_nano=NOW_NS, count=7, sum=11.0, scale=0, zero_count=1)
    point.positive.offset = 0
    point.positive.bucket_counts.extend([2, 4])
    assert await values(exponential("e", point)) == {
        'e_bucket{le="0"}': 1.0,
        'e_bucket{le="1"}': 1.0,
        'e_bucket{le="2"}': 3.0,
        'e_bucket{le="4"}': 7.0,
        'e_bucket{le="+Inf"}': 7.0,
        "e_sum": 11.0,
        "e_count": 7.0,
    }


async def test_summaries_become_quantiles() -> None:
    point = SummaryDataPoint(time_unix_nano=NOW_NS, count=3, sum=6.0)
    point.quantile_values.add(quantile=0.5, value=2.0)
    point.quantile_values.add(quantile=1.0, value=3.0)
    assert await values(summary("s", point)) == {
        's{quantile="0.5"}': 2.0,
        's{quantile="1"}': 3.0,
        "s_sum": 6.0,
        "s_count": 3.0,
    }


async def test_a_point_without_a_recorded_value_ends_its_series() -> None:
    res = Res()
    bare = buckets([], [], count=0, flags=NO_VALUE)
    await export(res, request(gauge("g", number(None, flags=NO_VALUE)), histogram("h", bare)))
    assert {series: struct.pack("<d", value) for series, value in res.values.items()} == dict.fromkeys(
        ("g", 'h_bucket{le="+Inf"}', "h_sum", "h_count"), STALE
    )


async def test_resource_and_scope_say_who_it_was() -> None:
    resource = {
        "service__namespace": "shop",
        "service__name": "cart",
        "service__instance__id": "i-1",
        "host__name": "web",
        "process__pid": 7,
    }
    res = Res()
    assert await partial(res, request(gauge("g", number(2, job="mine")), resource=resource, scope="lib")) == (
        0,
        "",
    )
    assert res.values == {
        'g{instance="i-1",job="shop/cart",otel_scope_name="lib"}': 2.0,
        'target_info{host_name="web",instance="i-1",job="shop/cart",process_pid="7"}': 1.0,
    }
    assert (res.verdict.received, res.verdict.accepted, res.verdict.samples) == (1, 1, 2)


async def test_nobody_loses_a_point_for_the_sake_of_target_info() -> None:
    resource = {"service__name": "a", "huge": "x" * 5000} | {f"k{n:02}": "v" for n in range(60)}
    res = Res(judge=judge(MemoryRegistry(room=1)))
    assert await partial(res, request(gauge("g"), resource=resource)) == (0, "")
    assert list(res.values) == ['g{job="a"}']
    whole = Res()
    await export(whole, request(gauge("g"), resource=resource))
    assert any(series.startswith("target_info{") for series in whole.values)
    assert "huge" not in str(whole.values)


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (total("d", temporality=DELTA), "unsupported_temporality"),
        (total("d", temporality=0), "unsupported_temporality"),
        (histogram("h", buckets([1], []), temporality=DELTA), "unsupported_temporality"),
        (gauge(""), "missing_name"),
        (gauge("\N{SNOWMAN}"), "invalid_name"),
        (gauge("g", number(None)), "invalid_value"),
        (gauge("g", number(at=0)), "invalid_timestamp"),
        (gauge("g", number(at=2**64 - 1)), "too_far_in_future"),
        (gauge("g", number(signalbox_tenant="me")), "reserved_label"),
        (histogram("h", buckets([1, 2], [])), "invalid_histogram"),
        (histogram("h", buckets([1, 2, 3], [2.0, 1.0])), "invalid_histogram"),
        (histogram("h", buckets([1, 2], [float("nan")])), "invalid_histogram"),
        (histogram("h", buckets([1, 2], [1.0], count=2)), "invalid_histogram"),
        (exponential("e", Exponential(time_unix_nano=1, zero_count=1)), "invalid_histogram"),
        (exponential("e", Exponential(time_unix_nano=1, scale=99)), "invalid_histogram"),
    ],
)
async def test_a_point_that_cannot_be_stored_is_named(metric: Any, reason: str) -> None:
    res = Res()
    rejected, message = await partial(res, request(gauge("good"), metric))
    assert rejected == 1
    assert message == f"1 {reason}; the first one is data point 1 of the request ({reason})"
    assert list(res.values) == ["good"]


async def test_a_summary_with_a_quantile_of_no_meaning_is_refused() -> None:
    point = SummaryDataPoint(time_unix_nano=NOW_NS)
    point.quantile_values.add(quantile=1.5, value=2.0)
    assert (await partial(Res(), request(summary("s", point))))[0] == 1


async def test_json_is_answered_in_json() -> None:
    res = Res()
    message = request(gauge("g", number(5)), total("d", temporality=DELTA))
    answer = await otlp.receive(res, tenant(), http(json_format.MessageToJson(message).encode(), otlp.JSON))
    assert (answer.status, answer.headers["content-type"]) == (200, otlp.JSON)
    assert json.loads(answer.body)["partialSuccess"]["rejectedDataPoints"] == "1"
    assert res.values == {"g": 5.0}


async def test_json_of_other_senders_is_read_as_well() -> None:
    point = {
        "asInt": 3,
        "timeUnixNano": str(NOW_NS),
        "exemplars": [{"traceId": "abc", "spanId": "xyz"}],
        "attributes": [{"key": "a", "value": {"intValue": "7"}}],
        "novel": 1,
    }
    body = {
        "resourceMetrics": [
            {"scopeMetrics": [{"metrics": [{"name": "g", "gauge": {"dataPoints": [point]}}]}]}
        ]
    }
    res = Res()
    await otlp.receive(res, tenant(), http(json.dumps(body).encode(), otlp.JSON + "; charset=utf-8"))
    assert res.values == {'g{a="7"}': 3.0}


async def test_an_empty_request_is_a_success() -> None:
    for body, media_type, expected in ((b"", otlp.PROTOBUF, b""), (b"{}", otlp.JSON, b"{}")):
        res = Res()
        answer = await otlp.receive(res, tenant(), http(body, media_type))
        assert (answer.status, answer.body, res.accepting.taken) == (200, expected, [])


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b"1",
        b'{"resourceMetrics": 1}',
        b'{"resourceMetrics": [NaN]}',
        b"[" * 100_000,
        b'{"resourceMetrics": [{"schemaUrl": "\\ud800"}]}',
        b'{"\\ud800": 1}',
        b'{"resourceMetrics": "a"}',
        b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"gauge": {"dataPoints":'
        b' [{"asDouble": 1%b}]}}]}]}]}' % (b"0" * 400),
        b"\xff",
    ],
)
async def test_json_that_is_no_request_is_malformed(body: bytes) -> None:
    with pytest.raises(BodyMalformed):
        await otlp.receive(Res(), tenant(), http(body, otlp.JSON))


async def test_json_that_would_fill_the_memory_is_refused_unread() -> None:
    body = b'{"resourceMetrics": [' + b"{}," * 500_000 + b"{}]}"
    with pytest.raises(BodyTooLarge):
        await otlp.receive(Res(), tenant(), http(body, otlp.JSON))


def test_brackets_weigh_more_than_their_bytes() -> None:
    assert weight(b"[]," * 1000) == 200_000
    assert weight(b'{"name": "x", "value": 1.5}') == 200


async def test_bytes_that_are_no_request_are_malformed() -> None:
    with pytest.raises(BodyMalformed):
        await otlp.receive(Res(), tenant(), http(b"\xff\xff\xff"))


async def test_another_media_type_is_unsupported() -> None:
    answer = await otlp.receive(Res(), tenant(), http(b"", "text/plain"))
    assert answer.status == 415
    assert json.loads(answer.body)["code"] == 3


def test_failures_are_a_status_in_the_encoding_of_the_request() -> None:
    answer = otlp.failure(http(b""), 503, "the broker is away")
    status = Status.FromString(answer.body)
    assert (answer.status, status.code, status.message) == (503, 14, "the broker is away")
    assert json.loads(otlp.failure(http(b"", otlp.JSON), 429, "slow down").body) == {
        "code": 8,
        "message": "slow down",
    }


def many() -> ExportMetricsServiceRequest:
    points = [number(n, number=str(n), text="x" * 100) for n in range(5000)]
    message = request(
        gauge("a", *points), total("b", number(-1)), resource={"service__name": "s"}, scope="lib"
    )
    message.resource_metrics.add().scope_metrics.add().metrics.extend(
        [gauge("c", number(-2)), gauge("d", *points)]
    )
    return message


def test_a_large_request_is_cut_into_pieces_that_are_the_same_together() -> None:
    whole = many()
    pieces = list(otlp_pieces.pieces(whole.SerializeToString()))
    assert len(pieces) > 2
    assert max(map(len, pieces)) <= otlp_pieces.PIECE_BYTES_MAX * 1.1

    def flat(message: ExportMetricsServiceRequest) -> list[tuple[str, str, bytes]]:
        return [
            (str(resource.resource) + scope.scope.name, metric.name, point.SerializeToString())
            for resource in message.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in getattr(metric, metric.WhichOneof("data") or "").data_points
        ]

    parts = [row for piece in pieces for row in flat(ExportMetricsServiceRequest.FromString(piece))]
    assert parts == flat(whole)


async def test_a_large_request_is_counted_through() -> None:
    res = Res()
    await export(res, many())
    assert (res.verdict.received, res.verdict.accepted) == (10_002, 10_002)
    assert max(len(payload.compressed) for payload in res.verdict.payloads) <= 2**20
    assert len(res.stored) == 10_002


async def test_one_point_longer_than_any_point_is_malformed() -> None:
    with pytest.raises(BodyMalformed):
        await export(Res(), request(gauge("g", number(text="x" * 600_000))))


@pytest.mark.parametrize(
    "message",
    [
        request(gauge("g"), gauge("x" * 600_000)),
        request(*[gauge("g")] * 20_000, resource={"a": "x" * 200_000}),
    ],
    ids=["a name", "a resource"],
)
async def test_what_would_be_repeated_in_every_piece_is_bounded(message: ExportMetricsServiceRequest) -> None:
    with pytest.raises(BodyMalformed):
        await export(Res(), message)


async def test_a_histogram_that_outgrows_any_record_is_refused_alone() -> None:
    labels: dict[str, Any] = {f"k{n}": "v" * 1500 for n in range(20)}
    point = buckets([1] * 200, [float(n) for n in range(199)])
    point.attributes.extend(number(**labels).attributes)
    res = Res()
    rejected, message = await partial(res, request(histogram("h", point, temporality=CUMULATIVE), gauge("g")))
    assert (rejected, list(res.values)) == (1, ["g"])
    assert "invalid_histogram" in message
