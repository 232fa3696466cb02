from benchmarks import _openloop
from benchmarks._processes import python_server
from benchmarks.stalling_server import true_p99_ms

SERVER = ["-m", "uvicorn", "benchmarks.stalling_server:app", "--port", "{port}", "--no-access-log"]


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def test_the_raw_generator_answers_for_every_arrival_and_sees_the_stall() -> None:
    with python_server(SERVER, {"STALL_PERIOD_S": "1", "STALL_S": "0.2"}) as process:
        # Four connections for far more arrivals than that: what cannot start waits, and its wait counts.
        plan = _openloop.Plan(port_of(process.url), ["/a", "/b"], 300, 3.0, connections=4, from_s=0.0)
        result = _openloop.run(plan)
    assert (result.sent, result.answered, result.dropped) == (900, 900, 0)
    assert result.server_errors == 0
    assert result.p99_ms >= 0.85 * true_p99_ms(1, 0.2)


def test_a_server_that_leaves_is_counted_as_dropped_answers() -> None:
    leaving = [*SERVER, "--limit-max-requests", "100"]
    with python_server(leaving, {"STALL_S": "0"}) as process:
        result = _openloop.run(_openloop.Plan(port_of(process.url), ["/a"], 200, 3.0, connections=4))
    assert result.sent == 600
    assert result.dropped > 0
    assert result.answered + result.dropped == result.sent
