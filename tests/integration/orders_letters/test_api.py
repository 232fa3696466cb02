"""The API of dead letters: lists, filters, cursors, runs, and who may ask."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from orders.domain.letters import death_of

from tests.integration.orders_letters.conftest import letter_settings
from tests.support.eventually import eventually
from tests.support.letters import AT, TRACE_ID, Desk, Json, buried, death, died_again, message_of, working
from tests.support.orders import Served, serving


@dataclass
class Office:
    served: Served
    desk: Desk
    client: httpx.AsyncClient

    async def get(self, path: str = "", status: int = 200, **params: Any) -> Json:
        answer = await self.client.get(f"/v1/dead-letters{path}", params=params)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    async def post(self, path: str, status: int = 200, **body: Any) -> Json:
        answer = await self.client.post(f"/v1/dead-letters{path}", json=body)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    async def offsets(self, **params: Any) -> list[int]:
        return [item["offset"] for item in (await self.get(**params))["items"]]


@pytest.fixture
async def office(orders_dsn: str) -> AsyncIterator[Office]:
    settings = letter_settings(orders_dsn, "redis://127.0.0.1:9", redrive_wait_s=1.5)
    async with serving(settings) as served:
        yield Office(served, Desk(settings, served.pool), served.operator())


async def test_a_row_has_the_names_that_clients_rely_on(office: Office) -> None:
    await office.desk.index(death(7, key="order-1"))
    (row,) = (await office.get())["items"]
    row_id, updated_at = row.pop("id"), row.pop("updated_at")
    assert row == {
        "group": "orders",
        "topic": "t.v1",
        "partition": 0,
        "offset": 7,
        "key": "order-1",
        "event_type": "t.happened.v1",
        "reason": "permanent",
        "error_class": "Misfit",
        "error": "does not fit",
        "attempts": 4,
        "redrives": 0,
        "trace_id": TRACE_ID,
        "failed_at": "2030-01-31T12:00:00.000000Z",
        "state": "dead",
    }
    assert updated_at.endswith("Z")
    assert (await office.get(f"/{row_id}"))["id"] == row_id


async def test_a_letter_is_shown_with_its_message_and_history(office: Office) -> None:
    await office.desk.index(death(7))
    (letter,) = await office.desk.letters()
    shown = await office.get(f"/{letter.id}")
    assert shown["headers"]["dlq-error"] == "does not fit"
    assert shown["headers"]["traceparent"].split("-")[1] == TRACE_ID
    assert base64.b64decode(shown["value_base64"]) == b'{"n": 7}'
    assert shown["decoded"] == {"n": 7}
    assert shown["dead_letter"] == {"topic": "t.v1.dlq", "partition": 0, "offset": 7}
    assert [(one["action"], one["actor"]) for one in shown["actions"]] == [("died", "orders")]
    named = {one["name"]: base64.b64decode(one["value_base64"]) for one in shown["headers_base64"]}
    assert named["ce_id"] == b"event-7"


VALUES: list[tuple[bytes | None, object]] = [
    (None, None),
    (b"", None),
    (b"\xff\xfe", None),
    (b"not json", None),
    (b'"\xff"', None),
    (b"null", None),
    (b"[" * 100_000, None),
    (b' {"a": [1.5, "\xc3\xa9"]}\n', {"a": [1.5, "\u00e9"]}),
    (b"123456789012345678901234567890", 123456789012345678901234567890),
]


async def test_any_value_is_shown_and_decoded_when_it_is_json(office: Office) -> None:
    await office.desk.index(*(death(offset, value=value) for offset, (value, _) in enumerate(VALUES)))
    for letter, (value, decoded) in zip(await office.desk.letters(), VALUES, strict=True):
        shown = await office.get(f"/{letter.id}")
        assert shown["decoded"] == decoded, value
        assert shown["value_base64"] == (None if value is None else base64.b64encode(value).decode())


async def test_a_value_that_is_deep_but_sound_is_shown(office: Office) -> None:
    await office.desk.index(death(1, value=b"[" * 500 + b"]" * 500))
    (letter,) = await office.desk.letters()
    assert isinstance((await office.get(f"/{letter.id}"))["decoded"], list)


async def test_pages_follow_each_other_under_their_filters(office: Office) -> None:
    await office.desk.index(*(death(offset, key="A" if offset % 2 else "B") for offset in range(11)))
    first = await office.get(key="B", limit=4)
    assert [item["offset"] for item in first["items"]] == [10, 8, 6, 4]
    second = await office.get(key="B", limit=4, cursor=first["next_cursor"])
    assert [item["offset"] for item in second["items"]] == [2, 0]
    assert second["next_cursor"] is None
    refused = await office.get(key="A", limit=4, cursor=first["next_cursor"], status=400)
    assert refused["code"] == "cursor_invalid"


async def test_a_list_takes_every_filter(office: Office) -> None:
    await office.desk.index(death(1), death(2, group="inventory", at=AT + timedelta(hours=1), key="B"))
    (other,) = (await office.get(group="inventory"))["items"]
    for name in ("id", "group", "offset", "key", "failed_at"):
        wanted = {"failed_at": "since"}.get(name, name)
        assert await office.offsets(**{wanted: other[name]}) == [2], name
    for name in ("topic", "partition", "event_type", "error_class", "state"):
        assert await office.offsets(**{name: other[name]}) == [2, 1], name
    assert await office.offsets(until=other["failed_at"]) == [1]
    for since in ("2030-01-31T12:30:00+00:00", "2030-01-31T12:30:00 00:00", "2030-01-31 12:30"):
        assert await office.offsets(since=since, until="2030-01-31T14:00:00") == [2], since


UNKNOWN_PARAMS: list[Json] = [
    {"colour": "red"},
    {"state": "lost"},
    {"limit": 0},
    {"limit": 1_001},
    {"partition": -1},
    {"offset": 2**63},
    {"since": "yesterday"},
    {"since": "0001-01-01T00:00:00+14:00"},
    {"id": "7"},
    {"group": "g" * 256},
]


async def test_a_list_refuses_what_it_does_not_know(office: Office) -> None:
    for params in UNKNOWN_PARAMS:
        assert (await office.get(status=422, **params))["code"] == "validation_error", params


async def test_a_redrive_answers_when_it_is_over(office: Office) -> None:
    await office.desk.index(*(death(offset) for offset in range(10)))
    answer = await office.post("/redrive", filter={"group": "orders"}, rate=1_000)
    assert (answer["matched"], answer["done"], answer["state"]) == (10, 10, "done")
    assert await office.desk.sent_offsets() == list(range(10))
    assert (await office.get(f"/runs/{answer['run_id']}")) == answer
    again = await office.post("/redrive", filter={"group": "orders"})
    assert (again["matched"], again["done"]) == (0, 0)


async def test_the_history_names_the_request(office: Office) -> None:
    await office.desk.index(death(1))
    answer = await office.client.post(
        "/v1/dead-letters/discard", json={"filter": {}}, headers={"X-Request-Id": "who-did-it"}
    )
    (letter,) = await office.desk.letters()
    action = (await office.get(f"/{letter.id}"))["actions"][-1]
    assert (action["action"], action["actor"]) == ("discarded", "api who-did-it")
    assert action["run_id"] == answer.json()["run_id"]


async def test_a_dry_run_only_counts(office: Office) -> None:
    await office.desk.index(death(1), death(2))
    before = await office.desk.everything()
    for verb in ("redrive", "discard"):
        answer = await office.post(f"/{verb}", filter={"offset": 2}, dry_run=True)
        assert (answer["matched"], answer["done"], answer["dry_run"]) == (1, 0, True)
    assert await office.desk.everything() == before


async def test_a_cap_is_kept(office: Office) -> None:
    await office.desk.index(*(death(offset) for offset in range(5)))
    answer = await office.post("/discard", filter={}, max=2)
    assert (answer["matched"], answer["done"]) == (5, 2)
    assert await office.offsets(state="discarded") == [1, 0]


async def test_a_long_run_answers_in_time_and_goes_on_in_a_worker(office: Office) -> None:
    await office.desk.index(*(death(offset) for offset in range(60)))
    answer = await office.post("/redrive", filter={}, rate=20)
    assert (answer["matched"], answer["state"]) == (60, "running")
    assert 0 < answer["done"] < 60
    async with working(office.desk):
        over = await eventually(
            lambda: office.get(f"/runs/{answer['run_id']}"),
            timeout_s=20,
            accept=lambda run: run["state"] == "done",
        )
    assert over["done"] == 60
    assert await office.desk.sent_offsets() == list(range(60))


async def test_a_process_that_leaves_keeps_nobody_waiting(orders_dsn: str) -> None:
    patient = letter_settings(orders_dsn, "redis://127.0.0.1:9", redrive_wait_s=60.0, request_timeout_s=90.0)
    async with serving(patient) as served:
        office = Office(served, Desk(patient, served.pool), served.operator())
        await office.desk.index(*(death(offset) for offset in range(60)))
        asked = asyncio.create_task(office.post("/redrive", filter={}, rate=1, max=50))
        await eventually(lambda: office.desk.rows("SELECT id FROM redrive_runs"), timeout_s=20)
        served.app.state.health.ready = False
        answer = await asked
        assert (answer["state"], answer["done"]) == ("running", len(await office.desk.sent()))
        (row,) = await office.desk.rows("SELECT locked_until = '-infinity' AS free FROM redrive_runs")
        assert row["free"], "any worker may go on at once"


async def test_a_run_can_be_stopped(office: Office) -> None:
    await office.desk.index(*(death(offset) for offset in range(60)))
    asked = asyncio.create_task(office.post("/redrive", filter={}, rate=20))
    (row,) = await eventually(lambda: office.desk.rows("SELECT id FROM redrive_runs"), timeout_s=20)
    stopped = await office.post(f"/runs/{row['id']}/stop")
    assert stopped["state"] == "stopped"
    assert (await asked)["done"] == stopped["done"] < 60
    assert len(await office.offsets(state="redriven", limit=100)) == stopped["done"]


UNKNOWN_BODIES: list[Json] = [
    {"filter": {"colour": "red"}},
    {"filter": {"limit": 10}},
    {"filter": {"state": "lost"}},
    {"filter": [], "rate": 1},
    {"filter": {}, "rate": 0},
    {"filter": {}, "rate": -1},
    {"filter": {}, "rate": 10_001},
    {"filter": {}, "max": 0},
    {"filter": {}, "max": 1.5},
    {"filter": {}, "dry_run": "perhaps"},
    {"filter": {"key": "\x00"}},
    {"filters": {}},
]


async def test_a_run_refuses_what_it_does_not_know(office: Office) -> None:
    await office.desk.index(death(1))
    for body in UNKNOWN_BODIES:
        for verb in ("redrive", "discard"):
            assert (await office.post(f"/{verb}", status=422, **body))["code"] == "validation_error", body
    assert await office.desk.states() == {1: "dead"}


async def test_what_is_not_there_is_not_found(office: Office) -> None:
    for path in ("/not-an-id", "/00000000-0000-7000-8000-000000000000"):
        assert (await office.get(path, status=404))["code"] == "letter_not_found"
        assert (await office.get(f"/runs{path}", status=404))["code"] == "run_not_found"
        assert (await office.post(f"/runs{path}/stop", status=404))["code"] == "run_not_found"


async def test_only_the_operator_may_ask(office: Office) -> None:
    calls = [
        ("GET", ""),
        ("GET", "/00000000-0000-7000-8000-000000000000"),
        ("GET", "/runs/00000000-0000-7000-8000-000000000000"),
        ("POST", "/redrive"),
        ("POST", "/discard"),
        ("POST", "/runs/00000000-0000-7000-8000-000000000000/stop"),
    ]
    nobody, tenant = office.served.client(None), office.served.client("one")
    for method, path in calls:
        body: Json | None = {"filter": {}} if method == "POST" else None
        url = f"/v1/dead-letters{path}"
        assert (await nobody.request(method, url, json=body)).status_code == 401
        assert (await tenant.request(method, url, json=body)).status_code == 403


async def test_a_letter_that_failed_again_is_the_same_row(office: Office) -> None:
    first = death(1)
    await office.desk.index(first)
    await office.post("/redrive", filter={})
    await office.desk.index(died_again(first, 1))
    (row,) = (await office.get(state="dead"))["items"]
    assert row["redrives"] == 1


async def test_a_key_that_is_no_text_is_shown_and_found_by_id(office: Office) -> None:
    await office.desk.index(death_of(buried(message_of(1, key="x"))), death(2))
    await office.desk.rows("UPDATE dead_letters SET key = '\\xff00'::bytea WHERE message_offset = 1")
    row = (await office.get())["items"][1]
    assert row["key"] == "\ufffd\x00"
    answer = await office.post("/redrive", filter={"id": row["id"]})
    assert (answer["matched"], await office.desk.sent_offsets()) == (1, [1])
