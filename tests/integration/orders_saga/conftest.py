"""Orders in a database of the test's own, moved by hand: facts, an executor, a sweeper, and a clock."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chassis import outbox, postgres
from chassis.postgres import Pool
from orders import events
from orders.domain.facts import Fact, StockConfirmed, StockReleased, StockReserved
from orders.domain.ids import new_order_id
from orders.domain.orders import Line, Notify, Order, Status
from orders.domain.saga import Command, Saga, State, begin
from orders.domain.timeline import Step, begun
from orders.payments import Payments, payments_of
from orders.settings import OrdersSettings
from orders.store import orders as order_store
from orders.store import sagas as store
from orders.usecases.saga import Change, Moved, advance, apply_events, request_cancel, terms_of
from orders.usecases.steps import Executor
from orders.usecases.sweep import Sweeper

from tests.support.databases import Databases
from tests.support.far_end import FarEnd, far_end
from tests.support.orders import settings_of

START = datetime(2026, 1, 1, tzinfo=UTC)
TRACE = "00-{:032x}-00000000000000aa-00"


@dataclass
class Clock:
    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Desk:
    """What a test of sagas works with."""

    settings: OrdersSettings
    pool: Pool
    far_end: FarEnd
    payments: Payments
    clock: Clock = field(default_factory=Clock)

    def executor(self, payments: Payments | None = None) -> Executor:
        return Executor(self.settings, self.pool, payments or self.payments, clock=self.clock)

    def sweeper(self) -> Sweeper:
        return Sweeper(self.settings, self.pool, clock=self.clock)

    async def place(self, *, payment_method: str = "pm_card_visa", number: int = 1) -> str:
        """A new order as the API places it."""
        at = self.clock()
        order = Order(
            id=new_order_id(),
            tenant_id="acme",
            customer_id="cus_1",
            currency="eur",
            payment_method=payment_method,
            amount=700,
            lines=(Line("tea", "Tea", 2, 350),),
            notify=Notify(email="a@example.com"),
            status=Status.PENDING,
            step=Step.PENDING,
            reason=None,
            version=1,
            cancel_requested_at=None,
            traceparent=TRACE.format(number),
            created_at=at,
            updated_at=at,
            finished_at=None,
        )
        entry = begun(order)
        async with self.pool.acquire() as conn, conn.transaction():
            await order_store.insert(conn, order, entry)
            await store.insert(conn, begin(order.id, "acme", at, terms_of(self.settings)))
            await outbox.add_many(
                conn,
                [
                    events.order_changed(order, entry),
                    events.stock_requested(order, Command.RESERVE, expires_at=at),
                ],
            )
        return order.id

    async def learn(self, order_id: str, *learnt: Fact, fencing: int | None = None) -> Moved:
        async with self.pool.acquire() as conn, conn.transaction():
            changes = [Change(order_id, fact, fencing) for fact in learnt]
            return await advance(conn, changes, self.clock(), terms_of(self.settings))

    async def hear(self, order_id: str, fact: Fact, intent_id: str | None) -> Moved:
        """An event of payments."""
        async with self.pool.acquire() as conn, conn.transaction():
            change = Change(order_id, fact, intent_id=intent_id)
            return await apply_events(conn, [change], self.clock(), terms_of(self.settings))

    async def cancel(self, order_id: str) -> None:
        async with self.pool.acquire() as conn, conn.transaction():
            await request_cancel(conn, order_id, self.clock(), terms_of(self.settings))

    async def work(self, executor: Executor | None = None) -> None:
        """What is due now, with its settling."""
        executor = executor or self.executor()
        await executor.turn()
        while executor._calls or executor._done:
            if executor._calls:
                await asyncio.wait(executor._calls)
            await executor.turn(claiming=False)

    async def saga(self, order_id: str) -> Saga:
        async with self.pool.acquire() as conn:
            return (await store.lock(conn, [order_id]))[order_id]

    async def value(self, statement: str, *values: Any) -> Any:
        async with self.pool.acquire() as conn:
            return await conn.fetchval(statement, *values)

    async def timeline(self, order_id: str) -> list[str]:
        async with self.pool.acquire() as conn:
            rows = await conn.fetch(
                "SELECT status FROM order_timeline WHERE order_id = $1 ORDER BY version", order_id
            )
        return [row["status"] for row in rows]

    async def told(self, order_id: str) -> list[dict[str, str]]:
        """The CloudEvents attributes of what waits in the outbox, in order."""
        async with self.pool.acquire() as conn:
            rows = await conn.fetch(
                "SELECT topic, header_names, header_values FROM outbox WHERE key = $1 ORDER BY id",
                order_id.encode(),
            )
        return [
            {
                "topic": row["topic"],
                **dict(
                    zip(row["header_names"], (value.decode() for value in row["header_values"]), strict=True)
                ),
            }
            for row in rows
        ]

    async def goes_on(self, order_id: str) -> None:
        """Everybody answers, until the order has ended."""
        for _ in range(20):
            saga = await self.saga(order_id)
            match saga.state:
                case State.DONE:
                    return
                case State.RESERVING:
                    await self.learn(order_id, StockReserved())
                case State.CONFIRMING:
                    await self.learn(order_id, StockConfirmed())
                case State.RELEASING:
                    await self.learn(order_id, StockReleased())
                case _:
                    if saga.due_at is not None and saga.due_at > self.clock():
                        self.clock.at = saga.due_at
                    await self.work()
        raise AssertionError(f"{order_id} does not end: {await self.saga(order_id)}")

    async def brought_to(self, state: State, **how: Any) -> str:
        """An order that has just entered a state on the way forward."""
        order_id = await self.place(**how)
        if state is State.RESERVING:
            return order_id
        await self.learn(order_id, StockReserved())
        if state is State.AUTHORISING:
            return order_id
        await self.work()
        if state is State.CAPTURING:
            await self.learn(order_id, StockConfirmed())
        assert (await self.saga(order_id)).state is state
        return order_id


@asynccontextmanager
async def _opened(dsn: str, redis_url: str, **changed: Any) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        end = await stack.enter_async_context(far_end())
        settings = settings_of(
            dsn,
            redis_url,
            stripe_api_key="sk_test_orders",
            stripe_api_base=end.url,
            stripe_breaker_open_s=0.001,
            stripe_breaker_open_max_s=0.001,
            **changed,
        )
        pool = await stack.enter_async_context(postgres.pool_of(settings))
        async with pool.acquire() as conn:
            await conn.execute("TRUNCATE tenants, orders, sagas, outbox, inbox CASCADE")
            await conn.execute(
                "INSERT INTO tenants (id, name, rate_per_s, burst) VALUES ('acme', 'Acme', 1, 1)"
            )
        payments = await stack.enter_async_context(payments_of(settings))
        yield Desk(settings, pool, end, payments)


@pytest.fixture(scope="module")
def orders_dsn(databases: Databases) -> Iterator[str]:
    """One database for the tests of a module: each begins by emptying it."""
    dsn = databases.migrated("orders")
    yield dsn
    databases.drop(dsn)


@pytest.fixture
async def desk(orders_dsn: str) -> AsyncIterator[Desk]:
    async with _opened(orders_dsn, "redis://127.0.0.1:9/0") as opened:
        yield opened
