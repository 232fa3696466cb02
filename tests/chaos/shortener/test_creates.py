"""Creates that race over several processes: one effect a key, one owner a slug."""

import json
import uuid
from collections import Counter

import pytest

from tests.chaos.shortener.conftest import Fleet
from tests.chaos.shortener.wire import Answer, post, storm
from tests.support.effort import effort
from tests.support.shortener import API_KEY

REQUESTS = effort(2_000, full=10_000)


def create(body: object, **headers: str) -> bytes:
    fields = {"Authorization": f"Bearer {API_KEY}", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return post("/v1/links", json.dumps(body).encode(), fields)


@pytest.mark.slow
async def test_thousands_of_concurrent_creates_with_one_key_make_one_link(fleet: Fleet) -> None:
    url = f"https://example.com/{uuid.uuid4()}"
    request = create({"url": url}, Idempotency_Key=f"key-{uuid.uuid4()}")
    answers = await storm(fleet.ports, [request] * REQUESTS)
    by_status = Counter(answer.status for answer in answers)
    assert set(by_status) <= {201, 409}, problems(answers)
    created = [answer for answer in answers if answer.status == 201]
    assert created
    assert len({answer.body for answer in created}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in created) == 1
    assert codes(answers) <= {"idempotency_in_flight"}
    assert await rows(fleet, url) == 1
    # A repeat that comes later is no race any more: every process has the answer.
    later = await storm(fleet.ports, [request] * len(fleet.ports))
    assert {(answer.status, answer.body) for answer in later} == {(201, created[0].body)}
    assert all(answer.headers["idempotent-replayed"] == "true" for answer in later)


async def test_50_concurrent_creates_of_one_slug_have_one_winner(fleet: Fleet) -> None:
    slug = f"wanted-{uuid.uuid4().hex[:8]}"
    requests = [create({"url": f"https://example.com/{n}", "slug": slug}) for n in range(50)]
    answers = await storm(fleet.ports, requests)
    assert Counter(answer.status for answer in answers) == {201: 1, 409: 49}, problems(answers)
    assert codes(answers) == {"slug_taken"}
    assert await rows(fleet, slug) == 1
    assert await fleet.statuses(slug) == [302] * len(fleet.ports)


async def rows(fleet: Fleet, value: str) -> int:
    """Links with this target or this slug."""
    async with fleet.stack.connected() as conn:
        return int(await conn.fetchval("SELECT count(*) FROM links WHERE $1 IN (url, slug)", value))


def codes(answers: list[Answer]) -> set[str]:
    return {json.loads(answer.body)["code"] for answer in answers if answer.status == 409}


def problems(answers: list[Answer]) -> list[Answer]:
    """The first few of those that should not be there."""
    return [answer for answer in answers if answer.status not in {201, 409}][:3]
