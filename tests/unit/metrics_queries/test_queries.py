"""What reaches the store of a question, and what its failures become."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from metrics_ingest.domain.questions import Limits, Parameters
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.inquiry import AnswerTooLarge
from metrics_ingest.usecases.queries import Queries, QueryFailed
from metrics_ingest.usecases.reached import NotReached, Reached
from metrics_ingest.victoria import StoreAway

ONE = Tenant(id="one", name="One")
EMPTY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
LIST = b'{"status":"success","data":[]}'
OURS = ("extra_filters[]", '{signalbox_tenant="one"}')
NOTHING = ("extra_filters[]", '{signalbox_tenant="."}')
# Everything that the store knows and a caller must not say.
SMUGGLED: Parameters = {
    "extra_filters[]": ['{signalbox_tenant="two"}', "{}"],
    "extra_filters": ['{signalbox_tenant="two"}'],
    "extra_label": ["signalbox_tenant=two"],
    "nocache": ["0"],
    "trace": ["1"],
    "max_lookback": ["1y"],
    "latency_offset": ["1d"],
    "round_digits": ["0"],
    "step": ["1h"],
    "db": ["two"],
}


@dataclass
class Answering:
    """A store that answers one thing, or fails with one thing."""

    status: int = 200
    body: bytes = EMPTY
    failure: Exception | None = None
    hangs: bool = False
    # To an expression on no series at all.
    alone: int = 200
    asked: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    async def ask(
        self, path: str, form: Sequence[tuple[str, str]], *, timeout_s: float, bytes_max: int
    ) -> tuple[int, bytes]:
        assert 0 < timeout_s <= Limits().timeout_s
        assert bytes_max > 0
        self.asked.append((path, list(form)))
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        if NOTHING in form:
            return self.alone, EMPTY
        return self.status, self.body


@dataclass
class Waiting:
    failure: Exception | None = None
    wanted: list[Mapping[int, int]] = field(default_factory=list)

    async def wait(self, wanted: Mapping[int, int], _until: float) -> None:
        self.wanted.append(wanted)
        if self.failure is not None:
            raise self.failure


def queries(store: Answering, waiting: Waiting | None = None, **changed: Any) -> Queries:
    reached = cast("Reached", waiting or Waiting())
    return Queries(store, reached, Limits(**changed), clock=lambda: 1_800_000_000.0)


Ask = Callable[[Queries, Parameters], Awaitable[bytes]]
ASKS: dict[str, tuple[Ask, bytes, dict[str, list[str]]]] = {
    "query": (lambda q, p: q.instant(ONE, p), EMPTY, {"query": ["up"]}),
    "range": (
        lambda q, p: q.over_range(ONE, p),
        EMPTY,
        {"query": ["up"], "start": ["0"], "end": ["60"], "step": ["15"]},
    ),
    "series": (lambda q, p: q.series(ONE, p), LIST, {"match[]": ["up", '{signalbox_tenant="two"}']}),
    "labels": (lambda q, p: q.label_names(ONE, p), LIST, {}),
    "values": (lambda q, p: q.label_values(ONE, p, "a/../b"), LIST, {}),
}


@pytest.mark.parametrize("name", ASKS)
async def test_nothing_is_passed_on_that_prometheus_does_not_know(name: str) -> None:
    ask, body, own = ASKS[name]
    store = Answering(body=body)
    await ask(queries(store), {**SMUGGLED, **own})
    ((_, form),) = store.asked
    known = {"query", "time", "start", "end", "step", "match[]", "limit"}
    assert {key for key, _ in form} <= known | {"extra_filters[]", "nocache", "timeout"}
    assert [pair for pair in form if pair[0].startswith("extra")] == [OURS]
    assert ("nocache", "1") in form
    assert ("step", "3600.0002") not in form


async def test_a_label_name_is_one_segment_of_the_path() -> None:
    store = Answering(body=LIST)
    await queries(store).label_values(ONE, {}, "../../admin/tsdb/delete_series?match[]=up#")
    assert store.asked[0][0] == (
        "/api/v1/label/..%2F..%2Fadmin%2Ftsdb%2Fdelete_series%3Fmatch%5B%5D%3Dup%23/values"
    )


async def test_the_values_of_the_tenant_label_are_not_even_asked_for() -> None:
    store = Answering(body=LIST)
    assert json.loads(await queries(store).label_values(ONE, {}, "signalbox_tenant"))["data"] == []
    assert store.asked == []


@pytest.mark.parametrize(
    ("store", "status", "kind"),
    [
        (Answering(status=422, body=b'{"error":"cannot parse"}', alone=422), 400, "bad_data"),
        (Answering(status=400, body=b'{"error":"cannot parse"}', alone=400), 400, "bad_data"),
        (Answering(status=422, body=b'{"error":"duplicates"}'), 422, "execution"),
        (Answering(status=422, body=b'{"error":"timeout exceeded during"}'), 503, "unavailable"),
        (Answering(failure=AnswerTooLarge(1)), 422, "execution"),
        (Answering(failure=StoreAway("http_500")), 503, "unavailable"),
        (Answering(body=b"<html>"), 503, "unavailable"),
    ],
)
async def test_failures_of_the_store_become_those_of_prometheus(
    store: Answering, status: int, kind: str
) -> None:
    with pytest.raises(QueryFailed) as caught:
        await queries(store).instant(ONE, {"query": ["up"]})
    assert (caught.value.status, caught.value.kind) == (status, kind)
    assert json.loads(caught.value.body) == {
        "status": "error",
        "errorType": kind,
        "error": str(caught.value),
    }
    assert ("Retry-After" in caught.value.headers) == (status == 503)


async def test_a_selector_that_the_store_refuses_is_bad_data() -> None:
    store = Answering(status=422, body=b'{"error":"cannot parse"}')
    with pytest.raises(QueryFailed) as caught:
        await queries(store).series(ONE, {"match[]": ["{"]})
    assert (caught.value.status, caught.value.kind) == (400, "bad_data")


@pytest.mark.parametrize(("asked_for", "kind"), [("10ms", "timeout"), (None, "unavailable")])
async def test_a_store_that_hangs_is_told_of_in_time(asked_for: str | None, kind: str) -> None:
    asked = {"query": ["up"]} | ({"timeout": [asked_for]} if asked_for else {})
    with pytest.raises(QueryFailed) as caught:
        await queries(Answering(hangs=True), timeout_s=0.05).instant(ONE, asked)
    assert (caught.value.status, caught.value.kind) == (503, kind)


async def test_more_than_may_be_asked_at_once_is_refused_and_the_slots_come_back() -> None:
    store = Answering(hangs=True)
    asking = Queries(store, cast("Reached", Waiting()), Limits(timeout_s=0.05), calls_max=1, queue_max=0)
    first = asyncio.create_task(asking.instant(ONE, {"query": ["up"]}))
    await asyncio.sleep(0)
    with pytest.raises(QueryFailed) as second:
        await asking.instant(ONE, {"query": ["up"]})
    assert second.value.status == 503
    with pytest.raises(QueryFailed):
        await first
    store.hangs = False
    assert await asking.instant(ONE, {"query": ["up"]})


async def test_a_tenant_that_asks_for_much_leaves_half_to_the_others() -> None:
    store = Answering(hangs=True)
    asking = Queries(store, cast("Reached", Waiting()), Limits(timeout_s=0.05), calls_max=2, queue_max=0)
    hanging = asyncio.create_task(asking.instant(ONE, {"query": ["up"]}))
    await asyncio.sleep(0)
    with pytest.raises(QueryFailed):
        await asking.instant(ONE, {"query": ["up"]})
    store.hangs = False
    assert await asking.instant(Tenant(id="two", name="Two"), {"query": ["up"]})
    with pytest.raises(QueryFailed):
        await hanging


async def test_a_position_is_waited_for_before_the_store_is_asked() -> None:
    store, waiting = Answering(), Waiting()
    await queries(store, waiting).instant(ONE, {"query": ["up"], "min_position": ["p2:7"]})
    assert waiting.wanted == [{2: 7}]
    with pytest.raises(QueryFailed) as late:
        await queries(store, Waiting(NotReached())).instant(ONE, {"query": ["up"], "min_position": ["p2:7"]})
    assert (late.value.status, late.value.headers) == (503, {"Retry-After": "1"})
    assert len(store.asked) == 1


@pytest.mark.parametrize("text", ["", "7", "p2"])
async def test_a_position_that_was_not_given_out_is_bad_data(text: str) -> None:
    store = Answering()
    with pytest.raises(QueryFailed) as caught:
        await queries(store).instant(ONE, {"query": ["up"], "min_position": [text]})
    assert (caught.value.status, caught.value.kind, store.asked) == (400, "bad_data", [])
