"""Faults on purpose, put in place and taken away over HTTP, and met by a consumer."""

from collections.abc import AsyncIterator

import httpx
import pytest
from chassis import ratelimit
from chassis.kafka.faults import Faults, InjectedPermanent, InjectedTransient
from chassis.settings import ChassisSettings

from tests.integration.orders_letters.conftest import letter_settings
from tests.support.letters import Json, message_of
from tests.support.orders import serving

PATH = "/v1/admin/faults"
TYPE = "t.happened.v1"


@pytest.fixture
async def operator(orders_dsn: str, redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = letter_settings(orders_dsn, redis_url, faults_enabled=True)
    async with serving(settings) as served:
        yield served.operator()


async def test_a_consumer_fails_as_asked_until_the_fault_is_taken_away(
    operator: httpx.AsyncClient, redis_url: str
) -> None:
    redis = ratelimit.connect(ChassisSettings(redis_url=redis_url, redis_timeout_s=1.0))
    faults = Faults(redis, "inventory", enabled=True)
    try:
        body = {"group": "inventory", "event_type": TYPE, "error": "permanent", "key": "A"}
        assert (await operator.post(PATH, json=body)).status_code == 201
        with pytest.raises(InjectedPermanent):
            await faults.check([message_of(1, key="A")])
        await faults.check([message_of(2, key="B")])
        assert (await operator.delete(PATH)).json() == {"cleared": 1}
        await faults.check([message_of(1, key="A")])
    finally:
        await redis.aclose()


async def test_a_transient_fault_fails_as_often_as_it_says(
    operator: httpx.AsyncClient, redis_url: str
) -> None:
    redis = ratelimit.connect(ChassisSettings(redis_url=redis_url, redis_timeout_s=1.0))
    faults = Faults(redis, "orders", enabled=True)
    try:
        await operator.post(PATH, json={"group": "orders", "error": "transient", "count": 2})
        for _ in range(2):
            with pytest.raises(InjectedTransient):
                await faults.check([message_of(1)])
        await faults.check([message_of(1)])
    finally:
        await redis.aclose()


async def test_faults_are_listed_and_cleared_by_group(operator: httpx.AsyncClient) -> None:
    made = [
        (await operator.post(PATH, json={"group": group, "error": "transient"})).json()
        for group in ("orders", "inventory", "orders")
    ]
    assert made[0] | {"id": ""} == {
        "id": "",
        "group": "orders",
        "error": "transient",
        "event_type": None,
        "key": None,
        "count": None,
    }
    assert (await operator.get(PATH)).json() == {"items": made}
    assert (await operator.get(PATH, params={"group": "inventory"})).json() == {"items": [made[1]]}
    assert (await operator.delete(PATH, params={"group": "orders"})).json() == {"cleared": 2}
    assert (await operator.get(PATH)).json() == {"items": [made[1]]}


NONSENSE: list[tuple[Json, str]] = [
    ({"group": "nobody", "error": "transient"}, "group_unknown"),
    ({"group": "orders", "error": "odd"}, "validation_error"),
    ({"group": "orders"}, "validation_error"),
    ({"group": "orders", "error": "transient", "count": 0}, "validation_error"),
    ({"group": "orders", "error": "transient", "colour": "red"}, "validation_error"),
]


async def test_what_makes_no_sense_is_refused(operator: httpx.AsyncClient) -> None:
    for body, code in NONSENSE:
        answer = await operator.post(PATH, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code), body
        assert code != "group_unknown" or "inventory" in answer.json()["detail"]
    assert (await operator.get(PATH)).json() == {"items": []}


async def test_faults_are_off_unless_switched_on(orders_dsn: str, redis_url: str) -> None:
    async with serving(letter_settings(orders_dsn, redis_url)) as served:
        operator = served.operator()
        body = {"group": "orders", "error": "transient"}
        for answer in (
            await operator.post(PATH, json=body),
            await operator.get(PATH),
            await operator.delete(PATH),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "faults_disabled")
        assert (await served.client(None).get(PATH)).status_code == 401
        assert (await served.client("one").get(PATH)).status_code == 403


async def test_without_redis_the_answer_says_so(orders_dsn: str) -> None:
    settings = letter_settings(orders_dsn, "redis://127.0.0.1:9", faults_enabled=True)
    async with serving(settings) as served:
        answer = await served.operator().get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (503, "faults_unavailable")
    assert answer.headers["retry-after"] == "1"
