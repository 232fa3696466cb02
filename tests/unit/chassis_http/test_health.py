"""Readiness tells of dependencies, in time, and stays calm."""

import asyncio

from chassis.health import Health
from structlog.testing import capture_logs

from tests.unit.chassis_http.support import ask


async def fine() -> None:
    pass


async def broken() -> None:
    raise ConnectionError("postgresql://user:secret@host")


async def hanging() -> None:
    await asyncio.sleep(60)


async def test_alive_needs_no_dependency() -> None:
    health = Health()
    health.add("postgres", broken)
    assert (await ask(health.healthz)).status == 200


async def test_ready_is_when_it_was_said_and_every_critical_check_passes() -> None:
    health = Health()
    health.add("postgres", fine)
    assert (await ask(health.readyz)).status == 503
    health.ready = True
    answer = await ask(health.readyz)
    assert (answer.status, answer.json()) == (200, {"status": "ok", "checks": {"postgres": "ok"}})


async def test_a_failing_or_hanging_check_is_named_without_its_secrets() -> None:
    health = Health()
    health.ready = True
    health.add("postgres", broken)
    health.add("redis", hanging, timeout_s=0.01)
    answer = await ask(health.readyz)
    assert answer.status == 503
    assert answer.json()["checks"] == {"postgres": "failed", "redis": "timeout"}
    assert b"secret" not in answer.body


async def test_a_check_that_is_not_critical_decides_nothing() -> None:
    health = Health()
    health.ready = True
    health.add("redis", broken, critical=False)
    answer = await ask(health.readyz)
    assert (answer.status, answer.json()["checks"]) == (200, {"redis": "failed"})


async def test_a_dependency_that_stays_away_is_logged_once() -> None:
    health = Health()
    health.add("postgres", broken)
    with capture_logs() as logged:
        for _ in range(5):
            await health.report()
    assert [line["event"] for line in logged] == ["health.changed"]
