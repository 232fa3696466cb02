import pytest

from loadtests.wrk import WrkError, lua_script, parse_wrk

OUTPUT = """Running 5s test @ http://127.0.0.1:8010
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.20ms    2.00ms   1.05s    97.00%
    Req/Sec    20.10k     1.00k   22.00k    80.00%
  Latency Distribution
     50%  812.00us
     75%    1.10ms
     90%    1.90ms
     99%    7.06ms
  101000 requests in 5.00s, 20.00MB read
  Socket errors: connect 1, read 2, write 0, timeout 3
  Non-2xx or 3xx responses: 4
Requests/sec:  20150.11
Transfer/sec:      3.99MB
"""


def test_wrk_output_is_read_with_its_units() -> None:
    result = parse_wrk(OUTPUT)
    assert result.per_s == pytest.approx(20150.11)
    assert [result.p50_ms, result.p90_ms, result.p99_ms] == pytest.approx([0.812, 1.9, 7.06])
    assert result.max_ms == pytest.approx(1050)
    assert (result.requests, result.errors) == (101_000, 10)


def test_output_without_a_rate_is_an_error() -> None:
    with pytest.raises(WrkError):
        parse_wrk("unable to connect to 127.0.0.1:8010")


def test_think_time_spreads_the_connections_over_the_rate() -> None:
    script = lua_script(["/a", "/b"], connections=32, rate_per_s=320)
    assert "math.random(0, 200)" in script
    assert "delay" not in lua_script(["/a"], connections=32, rate_per_s=None)
