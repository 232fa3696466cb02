"""Load shedding: bursts wait, overload is refused, the important goes first."""

import asyncio
from collections.abc import Callable

import pytest
from chassis.resilience import AdaptiveLimit, LoadShedder, Priority, by_method
from starlette.types import Receive, Scope, Send

from tests.support.eventually import eventually
from tests.unit.chassis_http.support import Answer, ask


class Service:
    """Answers when it is told to, and remembers in which order it was asked."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.running = self.running_max = 0
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self.order.append(scope["method"])
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        await self.go.wait()
        await asyncio.sleep(0)
        self.running -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})


def shedder(
    service: Service,
    *,
    limit: int = 1,
    queue_max: int = 100,
    queue_timeout_s: float = 30.0,
    overload_timeout_s: float = 1.0,
    classify: Callable[[Scope], Priority] = by_method,
) -> LoadShedder:
    return LoadShedder(
        service,
        limit=AdaptiveLimit("unit", limit_min=limit, limit_max=limit),
        queue_max=queue_max,
        queue_timeout_s=queue_timeout_s,
        overload_timeout_s=overload_timeout_s,
        retry_after_s=2,
        classify=classify,
    )


async def begin(app: LoadShedder, method: str = "GET") -> "asyncio.Task[Answer]":
    task = asyncio.create_task(ask(app, method))
    await asyncio.sleep(0)
    return task


async def test_a_burst_of_ten_thousand_is_answered_whole_a_few_at_a_time() -> None:
    service = Service()
    app = shedder(service, limit=16, queue_max=10_000)
    requests = [asyncio.create_task(ask(app, "POST")) for _ in range(10_000)]
    await asyncio.sleep(0)
    service.go.set()
    answers = await asyncio.gather(*requests)
    assert {answer.status for answer in answers} == {200}
    assert service.running_max == 16


async def test_a_full_queue_refuses_the_newcomer_and_tells_it_when_to_return() -> None:
    service = Service()
    app = shedder(service, queue_max=1)
    kept = [await begin(app), await begin(app)]
    refused = await ask(app)
    assert (refused.status, refused.json()["code"]) == (503, "overloaded")
    assert refused.headers["retry-after"] == "2"
    service.go.set()
    assert [(await task).status for task in kept] == [200, 200]


async def test_a_read_takes_the_place_of_a_waiting_write_and_goes_first() -> None:
    service = Service()
    app = shedder(service, queue_max=2)
    running = await begin(app, "PUT")
    first, second = await begin(app, "POST"), await begin(app, "POST")
    read = await begin(app, "GET")
    assert (await second).status == 503
    service.go.set()
    assert [(await task).status for task in (running, first, read)] == [200, 200, 200]
    assert service.order == ["PUT", "GET", "POST"]


async def test_reads_cannot_starve_writes() -> None:
    service = Service()
    app = shedder(service)
    tasks = [await begin(app, "GET"), await begin(app, "POST"), *[await begin(app, "GET") for _ in range(20)]]
    service.go.set()
    await asyncio.gather(*tasks)
    assert service.order.index("POST") <= 6


async def test_what_is_critical_neither_waits_nor_is_refused() -> None:
    service = Service()
    app = shedder(service, queue_max=0, classify=lambda _: Priority.CRITICAL)
    tasks = [await begin(app) for _ in range(10)]
    assert service.running == 10
    service.go.set()
    assert {(await task).status for task in tasks} == {200}


async def test_a_wait_ends_on_time_even_when_no_request_does() -> None:
    service = Service()
    app = shedder(service, queue_timeout_s=0.05)
    running, waiting = await begin(app), await begin(app)
    assert (await waiting).status == 503
    service.go.set()
    assert (await running).status == 200


async def test_a_queue_that_stands_is_overload_and_its_waits_are_short() -> None:
    service = Service()
    app = shedder(service, queue_timeout_s=1000, overload_timeout_s=0.05)
    running, old = await begin(app), await begin(app)
    app._queue_since -= 2000
    assert (await old).status == 503
    service.go.set()
    assert (await running).status == 200


async def test_a_client_that_leaves_the_queue_takes_no_slot_with_it() -> None:
    service = Service()
    app = shedder(service)
    running, leaving, staying = await begin(app), await begin(app), await begin(app)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    service.go.set()
    assert [(await task).status for task in (running, staying)] == [200, 200]
    await eventually(lambda: app._inflight == 0 and app._queued == 0)


async def test_a_slot_given_in_the_moment_of_leaving_is_passed_on() -> None:
    service = Service()
    app = shedder(service)
    running, leaving, staying = await begin(app), await begin(app), await begin(app)
    waiter = app._queues[Priority.READ][0]
    waiter.turn.add_done_callback(lambda _: leaving.cancel())
    service.go.set()
    assert [(await task).status for task in (running, staying)] == [200, 200]
    await eventually(lambda: app._inflight == 0 and app._queued == 0)
