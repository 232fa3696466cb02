"""The whole pipeline on servers of its own, a broker among them: started once, healed after every test."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from tests.chaos.orders.proof import Proof
from tests.conftest import FAST_POSTGRES
from tests.support import pick
from tests.support.databases import Databases, run_apart
from tests.support.orders_shop import Basket, Shop
from tests.support.orders_stack import OrdersStack
from tests.support.servers import Handle
from tests.support.shared import SharedServers

PAYMENT_CALLS_MAX = 16  # few enough for a load to reach it

# Short enough to wait for in a test. A step that is overdue is asked for again; nothing is given up early.
IMPATIENT = {
    "BANK_TIMEOUT_S": "1.5",
    "OPERATION_LEASE_S": "4",
    "DATABASE_TIMEOUT_S": "5",
    "SHUTDOWN_TIMEOUT_S": "10",
    "STRIPE_TIMEOUT_S": "4",
    "STRIPE_CALLS_MAX": str(PAYMENT_CALLS_MAX),
    "SAGA_LEASE_S": "9",
    "SAGA_STEP_TIMEOUT_S": "10",
    "SAGA_BACKOFF_MAX_S": "2",
    # Of notices: their topics keep their names.
    "RETRY_DELAYS_S": "[1, 4, 40]",
}


@dataclass
class Servers:
    postgres: Handle
    redis: Handle
    kafka: Handle

    def all(self) -> tuple[Handle, ...]:
        return (self.postgres, self.redis, self.kafka)


@dataclass
class Chaos:
    """The processes, the broker, and a shop with two products on the shelf and one that is sold out."""

    stack: OrdersStack
    kafka: Handle
    shop: Shop
    basket: Basket

    async def proven(self, *, within_s: float = 150.0) -> Proof:
        """Every order of this test has ended; money, stock, events, notices and the own check agree."""
        orders = await self.shop.all_ended(within_s=within_s)
        proof = Proof(self.stack, orders)
        await proof.check()
        return proof


@pytest.fixture(scope="package")
def shared_servers(servers: SharedServers) -> Iterator[Servers]:
    made = Servers(
        pick.postgres_maker()(servers.own_folder("postgres"), FAST_POSTGRES),
        pick.redis_maker()(servers.own_folder("redis")),
        pick.kafka_maker()(servers.own_folder("kafka")),
    )
    for server in made.all():
        server.start()
    yield made
    for server in made.all():
        server.close()


@pytest.fixture(scope="package")
def shared_stack(
    servers: SharedServers, shared_servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OrdersStack]:
    databases = Databases(shared_servers.postgres.address, servers.own_folder("templates"))
    stack = OrdersStack(
        tmp_path_factory.mktemp("orders"),
        databases=databases,
        redis_url=shared_servers.redis.address,
        kafka=shared_servers.kafka.address,
        **IMPATIENT,
    )
    try:
        run_apart(stack.up())
        yield stack
    finally:
        run_apart(stack.close())


@pytest.fixture
async def chaos(shared_stack: OrdersStack, shared_servers: Servers) -> AsyncIterator[Chaos]:
    async with await Shop.open(shared_stack) as shop:
        shelf = [await shop.product(), await shop.product()]
        basket = Basket(shelf, await shop.product(stock=0), declined=0.1, out_of_stock=0.1)
        yield Chaos(shared_stack, shared_servers.kafka, shop, basket)
    await asyncio.to_thread(heal, shared_servers.kafka)
    await shared_stack.heal()


def heal(server: Handle) -> None:
    """Goes on if it was paused, starts if it was ended."""
    server.resume()
    if not getattr(server, "running", True):
        server.start()
