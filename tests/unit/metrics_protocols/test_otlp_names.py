"""OTLP names as the compatibility specification translates them."""

import pytest
from metrics_ingest.receivers.parsing.otlp_names import Kind, label_name, labels, metric_name, value_text
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

from tests.support.otlp import any_value, attributes


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("http.server.duration", "ms", Kind.OTHER, "http_server_duration_milliseconds"),
        ("http.server.request.duration", "s", Kind.OTHER, "http_server_request_duration_seconds"),
        ("system.filesystem.usage", "By", Kind.GAUGE, "system_filesystem_usage_bytes"),
        ("system.network.dropped", "{packets}", Kind.COUNTER, "system_network_dropped_total"),
        ("system.network.dropped", "packets", Kind.COUNTER, "system_network_dropped_packets_total"),
        ("system.memory.utilization", "1", Kind.GAUGE, "system_memory_utilization_ratio"),
        ("requests", "1", Kind.COUNTER, "requests_total"),
        ("active.requests", "1", Kind.OTHER, "active_requests"),
        ("astro.light.speed", "m/s", Kind.GAUGE, "astro_light_speed_meters_per_second"),
        ("disk.io", "{operation}/s", Kind.GAUGE, "disk_io_per_second"),
        ("requests_total", "", Kind.COUNTER, "requests_total"),
        ("total.requests", "", Kind.COUNTER, "requests_total"),
        ("process_cpu_seconds_total", "s", Kind.COUNTER, "process_cpu_seconds_total"),
        ("cpu.seconds.used", "s", Kind.GAUGE, "cpu_seconds_used"),
        ("(lambda).function.executions(#)", "", Kind.OTHER, "lambda_function_executions"),
        ("a__b", "", Kind.OTHER, "a_b"),
        ("2xx", "", Kind.COUNTER, "_2xx_total"),
        ("job:rate", "", Kind.GAUGE, "job:rate"),
        ("temperature", "Cel", Kind.GAUGE, "temperature_celsius"),
        ("cpu", "%", Kind.GAUGE, "cpu_percent"),
        ("odd", "a b/c d", Kind.GAUGE, "odd_a_b_per_c_d"),
        ("\N{SNOWMAN}", "s", Kind.GAUGE, ""),
        ("", "s", Kind.GAUGE, ""),
        ("x" * 300, "s", Kind.GAUGE, "x" * 300 + "_seconds"),
    ],
)
def test_units_and_types_become_suffixes(name: str, unit: str, kind: Kind, expected: str) -> None:
    assert metric_name(name, unit, kind) == expected


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("http.method", "http_method"),
        ("a..b", "a_b"),
        ("9lives", "key_9lives"),
        ("_x", "_x"),
        ("__name__", "_name_"),
    ],
)
def test_keys_become_label_names(key: str, name: str) -> None:
    assert label_name(key) == name


def test_keys_that_become_one_have_their_values_joined_in_their_order() -> None:
    found = attributes(a_b="last", other="x")
    found[0].key = "a_b"
    assert labels([*found, *attributes(a__b="first")]) == {"a_b": "first;last", "other": "x"}


def test_a_key_given_twice_counts_once() -> None:
    assert labels([*attributes(a="1"), *attributes(a="2")]) == {"a": "2"}


@pytest.mark.parametrize(
    ("value", "text"),
    [("x", "x"), (True, "true"), (7, "7"), (1.0, "1"), (0.25, "0.25"), (b"\x00\xff", "AP8="), (None, "")],
)
def test_values_that_are_no_text_become_it(value: object, text: str) -> None:
    assert value_text(any_value(value)) == text


def test_lists_and_maps_become_json() -> None:
    items = ArrayValue(values=[any_value("ü"), any_value(1), any_value(None)])
    pairs = KeyValueList(values=attributes(a=True))
    assert value_text(AnyValue(array_value=items)) == '["ü",1,null]'
    assert value_text(AnyValue(kvlist_value=pairs)) == '{"a":true}'
