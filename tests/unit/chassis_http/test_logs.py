"""Logs: one JSON object a line, joined to its request, never lost by odd content."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from chassis import logs
from chassis.settings import ChassisSettings
from chassis.telemetry import use_traceparent

from tests.support.eventually import eventually

Lines = Callable[[], list[dict[str, Any]]]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def lines() -> Iterator[Lines]:
    stream = io.BytesIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.setup(ChassisSettings(service_name="unit"), stream=stream)

    def read() -> list[dict[str, Any]]:
        logs.flush()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield read
    logs.setup(ChassisSettings())
    root.handlers[:], root.level = handlers, level


def test_a_line_has_time_level_event_service_and_its_fields(lines: Lines) -> None:
    logs.get_logger("unit").info("thing.made", size=3)
    (line,) = lines()
    assert line.items() >= {"level": "info", "event": "thing.made", "service": "unit", "size": 3}.items()
    assert line["ts"].endswith("Z")


def test_a_line_of_a_request_carries_its_ids(lines: Lines) -> None:
    token = logs.request_context.set(logs.RequestContext("r-1", TRACE))
    logs.get_logger("unit").info("thing.made")
    logs.request_context.reset(token)
    assert lines()[0].items() >= {"request_id": "r-1", "trace_id": TRACE}.items()


def test_outside_a_request_the_current_trace_is_named(lines: Lines) -> None:
    with use_traceparent(f"00-{TRACE}-00f067aa0ba902b7-01"):
        logs.get_logger("unit").info("batch.applied")
    assert lines()[0]["trace_id"] == TRACE


def test_levels_below_the_chosen_one_are_not_written(lines: Lines) -> None:
    logs.get_logger("unit").debug("detail")
    assert lines() == []


def test_an_exception_is_one_field_of_one_line(lines: Lines) -> None:
    try:
        dict[str, int]()["gone"]
    except KeyError:
        logs.get_logger("unit").exception("thing.failed")
    (line,) = lines()
    assert line["level"] == "error"
    assert "KeyError: 'gone'" in line["exception"]


def test_odd_content_is_written_somehow(lines: Lines) -> None:
    logs.get_logger("unit").info("odd", text="\ud800\x00\n", thing=object(), raw=b"\xff")
    (line,) = lines()
    assert line["event"] == "odd"


def test_libraries_speak_the_same_shape(lines: Lines) -> None:
    logging.getLogger("some.library").warning("lost %s", "contact")
    assert (
        lines()[0].items() >= {"level": "warning", "event": "some.library", "message": "lost contact"}.items()
    )


def test_a_librarys_storm_is_five_lines(lines: Lines) -> None:
    for number in range(1000):
        logging.getLogger("some.library").warning("lost %d", number)
    assert len(lines()) == 5


async def test_lines_are_gathered_and_warnings_are_not_kept_waiting() -> None:
    stream = io.BytesIO()
    writer = logs.LineWriter(stream)
    writer.write(b"one\n")
    assert stream.getvalue() == b""
    writer.write(b"two\n", at_once=True)
    assert stream.getvalue() == b"one\ntwo\n"
    writer.write(b"three\n")
    await eventually(lambda: stream.getvalue().endswith(b"three\n"))


def test_without_a_loop_every_line_is_written_at_once() -> None:
    stream = io.BytesIO()
    logs.LineWriter(stream).write(b"one\n")
    assert stream.getvalue() == b"one\n"


async def test_the_buffer_is_bounded() -> None:
    stream = io.BytesIO()
    writer = logs.LineWriter(stream)
    for _ in range(100):
        writer.write(b"x" * 1023 + b"\n")
    assert len(stream.getvalue()) >= 64 * 1024
    writer.flush()
