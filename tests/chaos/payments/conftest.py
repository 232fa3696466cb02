"""Two API processes, a worker and the bank on servers of this folder's own, healed after every test."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from tests.chaos.payments.merchant import Merchant
from tests.conftest import FAST_POSTGRES
from tests.support import pick
from tests.support.databases import Databases, run_apart
from tests.support.payments_stack import PaymentsStack
from tests.support.servers import Handle
from tests.support.shared import SharedServers

# Short enough to wait for in a test; a lease is still longer than two attempts.
IMPATIENT = {
    "BANK_TIMEOUT_S": "1.5",
    "OPERATION_LEASE_S": "4",
    "DATABASE_TIMEOUT_S": "5",
    "WEBHOOK_TIMEOUT_S": "1.5",
    "WEBHOOK_LEASE_S": "2",
    "WEBHOOK_RETRY_FIRST_S": "0.5",
    "SHUTDOWN_TIMEOUT_S": "10",
}


@dataclass
class Chaos:
    """The processes, their servers, and a merchant who pays through them."""

    stack: PaymentsStack
    postgres: Handle
    redis: Handle
    merchant: Merchant

    async def proven(self) -> None:
        """The books agree: ledger, intents, and the bank's own."""
        proof = await self.stack.proof()
        assert proof["ok"], [check for check in proof["checks"] if not check["ok"]]


@pytest.fixture(scope="package")
def shared_servers(servers: SharedServers) -> Iterator[tuple[Handle, Handle]]:
    postgres = pick.postgres_maker()(servers.own_folder("postgres"), FAST_POSTGRES)
    redis = pick.redis_maker()(servers.own_folder("redis"))
    for server in (postgres, redis):
        server.start()
    yield postgres, redis
    redis.close()
    postgres.close()


@pytest.fixture(scope="package")
def shared_stack(
    servers: SharedServers, shared_servers: tuple[Handle, Handle], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PaymentsStack]:
    postgres, redis = shared_servers
    databases = Databases(postgres.address, servers.own_folder("templates"))
    stack = PaymentsStack(
        tmp_path_factory.mktemp("payments"),
        payments_dsn=databases.migrated("payments"),
        bank_dsn=databases.migrated("bank"),
        redis_url=redis.address,
        **IMPATIENT,
    )
    try:
        run_apart(stack.up())
        yield stack
    finally:
        run_apart(stack.close())


@pytest.fixture
async def chaos(shared_stack: PaymentsStack, shared_servers: tuple[Handle, Handle]) -> AsyncIterator[Chaos]:
    postgres, redis = shared_servers
    merchant = Merchant(shared_stack, await shared_stack.account())
    async with merchant:
        yield Chaos(shared_stack, postgres, redis, merchant)
    for server in shared_servers:
        await asyncio.to_thread(heal, server)
    await shared_stack.heal()


def heal(server: Handle) -> None:
    """Goes on if it was paused, starts if it was ended."""
    server.resume()
    if not getattr(server, "running", True):
        server.start()
