"""Kills, restarts and outages under load: each key ends in one answer and one effect."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.chaos.payments.conftest import Chaos
from tests.chaos.payments.load import Ask, charged_once, replayed, shopping
from tests.chaos.payments.merchant import Json
from tests.chaos.payments.windows import all_done
from tests.support.payments_stack import form, once
from tests.support.processes import Process

SHOPPERS = 6
BETWEEN = 40  # answers from one disturbance to the next


async def test_processes_killed_under_load_lose_and_double_nothing(chaos: Chaos) -> None:
    stack = chaos.stack
    async with shopping(chaos.merchant.post, shoppers=SHOPPERS) as tally:
        for victim in (stack.apis[0], stack.bank, stack.workers[0], stack.apis[1]):
            await tally.more(BETWEEN)
            await victim.kill()
            victim.spawn()
        await asyncio.gather(*(process.ready() for process in stack.processes))
        await tally.more(BETWEEN)
    assert tally.wrong == []
    assert set(tally.statuses) == {200}
    await all_done(chaos)
    await replayed(chaos.merchant, tally)
    await charged_once(chaos.merchant, tally)
    await chaos.proven()


async def test_a_bank_that_fails_at_random_under_load_never_charges_twice(chaos: Chaos) -> None:
    async with shopping(chaos.merchant.post, shoppers=SHOPPERS) as tally:
        for fault in ("reply_lost", "error", "reset"):
            await chaos.stack.fault(fault, probability=0.3)
            await tally.more(BETWEEN)
        await chaos.stack.fault(None)
        await tally.more(BETWEEN)
    assert tally.wrong == []
    await all_done(chaos)
    await replayed(chaos.merchant, tally)
    await charged_once(chaos.merchant, tally)
    await chaos.proven()


async def test_postgres_restarted_under_load_loses_and_doubles_nothing(chaos: Chaos) -> None:
    async with shopping(chaos.merchant.post, shoppers=SHOPPERS) as tally:
        await tally.more(BETWEEN)
        await asyncio.to_thread(chaos.postgres.restart)
        await tally.more(BETWEEN)
    assert tally.wrong == []
    await all_done(chaos)
    await replayed(chaos.merchant, tally)
    await charged_once(chaos.merchant, tally)
    await chaos.proven()


@pytest.fixture
def public() -> Iterator[socket.socket]:
    """The socket that a supervisor holds for all replicas."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        listening.set_inheritable(True)
        yield listening


@pytest.fixture
async def replicas(chaos: Chaos, public: socket.socket) -> AsyncIterator[list[Process]]:
    started = [
        Process(
            "payments.main",
            chaos.stack.environment | {"HTTP_PUBLIC_FD": str(public.fileno())},
            chaos.stack.folder / f"replica-{number}.log",
        )
        for number in range(2)
    ]
    for process in started:
        process.spawn()
    await asyncio.gather(*(process.ready() for process in started))
    yield started
    for process in started:
        await process.close()


def asking_once(client: httpx.AsyncClient) -> Ask:
    """Nothing is sent twice: whatever goes wrong is seen."""

    async def ask(path: str, parameters: Json, key: str) -> httpx.Response:
        return await client.post(path, data=form(parameters), headers=once(key))

    return ask


async def test_sigterm_of_one_of_two_apis_fails_no_request(
    chaos: Chaos, public: socket.socket, replicas: list[Process]
) -> None:
    async with (
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{public.getsockname()[1]}",
            headers={"Authorization": f"Bearer {chaos.merchant.key}"},
            timeout=30,
        ) as client,
        shopping(asking_once(client), shoppers=SHOPPERS) as tally,
    ):
        await tally.more(BETWEEN)
        assert await replicas[0].stop() == 0, replicas[0].log.read_text()[-2000:]
        await tally.more(BETWEEN)
    assert tally.wrong == []
    assert set(tally.statuses) == {200}
    await all_done(chaos)
    await charged_once(chaos.merchant, tally)
    await chaos.proven()
