"""Influx line protocol: names, values and times, and lines that are refused alone."""

import json

import pytest
from metrics_ingest.receivers import influx
from metrics_ingest.receivers.messages import Answer, Request

from tests.support.series_registry import NOW_MS, tenant
from tests.support.taken import Res

NOW_NS = NOW_MS * 10**6


async def write(res: Res, body: str, path: str = "/write", **query: str) -> Answer:
    return await influx.receive(res, tenant(), Request(path, body.encode(), query=query))


async def stored(body: str, **query: str) -> dict[str, list[tuple[int, float]]]:
    res = Res()
    answer = await write(res, body, **query)
    assert (answer.status, answer.body) == (204, b"")
    return res.stored


async def test_each_field_is_a_series_of_its_own() -> None:
    assert await stored(f"cpu,host=a,zone=b usage=0.5,idle=99i,busy=3u,up=t,down=FALSE {NOW_NS}") == {
        'cpu_usage{host="a",zone="b"}': [(NOW_MS, 0.5)],
        'cpu_idle{host="a",zone="b"}': [(NOW_MS, 99.0)],
        'cpu_busy{host="a",zone="b"}': [(NOW_MS, 3.0)],
        'cpu_up{host="a",zone="b"}': [(NOW_MS, 1.0)],
        'cpu_down{host="a",zone="b"}': [(NOW_MS, 0.0)],
    }


async def test_escapes_are_undone_and_names_become_prometheus_names() -> None:
    body = r"my\ disk\,io,mount\ point=/a\ b\,c\=d,9=x read.bytes\=1=1 " + str(NOW_NS)
    assert await stored(body) == {'my_disk_io_read_bytes_1{_9="x",mount_point="/a b,c=d"}': [(NOW_MS, 1.0)]}


async def test_a_digit_does_not_begin_a_name() -> None:
    assert await stored("2xx v=1") == {"_2xx_v": [(NOW_MS, 1.0)]}


@pytest.mark.parametrize(
    ("precision", "unit_ns"),
    [("ns", 1), ("n", 1), ("us", 10**3), ("u", 10**3), ("ms", 10**6), ("s", 10**9)],
)
async def test_timestamps_have_the_precision_that_is_asked_for(precision: str, unit_ns: int) -> None:
    assert await stored(f"m f=1 {NOW_NS // unit_ns}", precision=precision) == {
        "m_f": [(NOW_NS // unit_ns * unit_ns // 10**6, 1.0)]
    }


@pytest.mark.parametrize(("precision", "unit_ms"), [("m", 60_000), ("h", 3_600_000)])
async def test_version_1_also_knows_minutes_and_hours(precision: str, unit_ms: int) -> None:
    ticks = NOW_MS // unit_ms
    assert await stored(f"m f=1 {ticks}", precision=precision) == {"m_f": [(ticks * unit_ms, 1.0)]}


async def test_an_unknown_precision_is_an_error_of_the_request() -> None:
    res = Res()
    answer = await write(res, "m f=1", precision="fortnight")
    assert answer.status == 400
    assert not res.accepting.taken


async def test_no_timestamp_means_now() -> None:
    assert await stored("m f=1\nm,a=b f=2\r\n") == {"m_f": [(NOW_MS, 1.0)], 'm_f{a="b"}': [(NOW_MS, 2.0)]}


async def test_comments_and_empty_lines_say_nothing() -> None:
    assert await stored('# a="b\n\n   \nm f=1\n  # b\n#') == {"m_f": [(NOW_MS, 1.0)]}


async def test_a_body_without_a_line_is_fine_and_leaves_no_trace() -> None:
    res = Res()
    assert (await write(res, "\n# nothing\n")).status == 204
    assert not res.accepting.taken


async def test_the_database_becomes_a_label_unless_a_tag_says_it() -> None:
    assert list(await stored("m f=1\nm,db=b f=1", db="a")) == ['m_f{db="a"}', 'm_f{db="b"}']


async def test_refused_fields_leave_the_others_of_their_line() -> None:
    res = Res()
    answer = await write(
        res, f'm a=1,s="text, with=1 \\" x",b=2i,c=9223372036854775808i,d=-1u {NOW_NS}\nm z=3'
    )
    assert answer.status == 400
    assert sorted(res.stored) == ["m_a", "m_b", "m_z"]
    assert res.verdict.items == [(1, "invalid_value")] * 3
    error = json.loads(answer.body)["error"]
    assert error.startswith("partial write: 3 invalid_value: line 1: invalid_value;")
    assert error.endswith("dropped=3")


async def test_quotes_in_tags_begin_no_string() -> None:
    assert sorted(await stored('m,a="b f=1\nm,a="c f=2')) == ['m_f{a=""b"}', 'm_f{a=""c"}']


async def test_strings_go_over_lines_and_do_not_take_the_next_line_along() -> None:
    res = Res()
    await write(res, 'm s="one\ntwo\nthree",f=1\nn f=2 x\nm s="never ends\no f=3')
    assert sorted(res.stored) == ["m_f", "o_f"]
    assert res.verdict.items == [(1, "invalid_value"), (4, "invalid_timestamp"), (5, "malformed")]


@pytest.mark.parametrize(
    "line",
    ["m", "m ", "m f", "m f=", "m =1", ",a=b f=1", "m,a f=1", "m,=b f=1", "m f=1 2 3", "m f=1,", "m f=1,,g=2",
     'm f="a"b', "m,a=b,f=1", "\\"],
)  # fmt: skip
async def test_a_malformed_line_is_refused_alone(line: str) -> None:
    res = Res()
    answer = await write(res, f"a f=1\n{line}\nb f=1", path="/api/v2/write")
    assert res.verdict.items == [(2, "malformed")]
    assert sorted(res.stored) == ["a_f", "b_f"]
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "invalid")


@pytest.mark.parametrize(
    "value", ["1_0", "nan", "inf", "1e400", "0x10", "\N{ARABIC-INDIC DIGIT ONE}", "1.2.3", "i", "1ii"]
)
async def test_what_is_no_number_is_refused_by_its_value(value: str) -> None:
    res = Res()
    await write(res, f"m f={value},g=1")
    assert (res.verdict.items, list(res.stored)) == ([(1, "invalid_value")], ["m_g"])


@pytest.mark.parametrize("time", ["1.5", "now", "1e18", "9" * 30])
async def test_a_time_that_is_no_number_is_refused_as_such(time: str) -> None:
    res = Res()
    await write(res, f"m f=1 {time}")
    assert res.verdict.items == [(1, "invalid_timestamp")]


async def test_bytes_that_are_no_text_are_refused_by_their_line() -> None:
    res = Res()
    await influx.receive(res, tenant(), Request("/write", b"m f=1\nm,a=\xff f=1\n"))
    assert res.verdict.items == [(2, "invalid_utf8")]


async def test_a_line_beyond_all_measure_is_refused() -> None:
    res = Res()
    await write(res, "m " + "f=1," * 40_000 + "g=1\nm f=1")
    assert res.verdict.items == [(1, "malformed")]


async def test_when_nothing_is_left_the_write_as_a_whole_was_refused() -> None:
    res = Res()
    answer = await write(res, 'm f="x"')
    assert json.loads(answer.body)["error"].startswith("write refused: 1 invalid_value")
    assert (res.verdict.received, res.verdict.accepted, res.verdict.payloads) == (1, 0, [])


def test_errors_have_the_form_of_their_version() -> None:
    one = influx.failure(Request("/write", b""), 503, "the broker is away")
    two = influx.failure(Request("/api/v2/write", b""), 503, "the broker is away")
    assert json.loads(one.body) == {"error": "the broker is away"}
    assert json.loads(two.body) == {"code": "unavailable", "message": "the broker is away"}
    assert one.headers["x-influxdb-error"] == "the broker is away"
