"""`python -m payments.worker`: relays events, ends what hangs, delivers webhooks, watches the ledger."""

import asyncio

from chassis import postgres, server
from chassis.health import Health
from chassis.kafka import Producer
from chassis.outbox import Relay
from chassis.server import StopSignal

from payments.app import resources_of
from payments.bank import bank_of
from payments.receivers import Receivers
from payments.settings import PaymentsSettings
from payments.usecases import proof, reconcile, retention
from payments.usecases.kinds import HANDLERS
from payments.usecases.webhook_endpoints import allowed_hosts
from payments.webhooks import Dispatcher


async def run(settings: PaymentsSettings, health: Health, stop: StopSignal) -> None:
    """Any number of workers may run: each piece of work is taken by one, and taken over from a dead one."""
    producer = Producer(settings)
    async with (
        postgres.pool_of(settings) as pool,
        bank_of(settings) as bank,
        Receivers(settings, allowed_hosts(settings)) as receivers,
    ):
        health.add("postgres", lambda: postgres.ping(pool), critical=False)
        res = resources_of(settings, pool, bank)
        await producer.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(Relay(pool, producer).run(stop))
                group.create_task(reconcile.run(res, HANDLERS, stop))
                group.create_task(Dispatcher(res, receivers).run(stop))
                group.create_task(proof.watch_ledger(res, stop))
                group.create_task(retention.run(res, stop))
        finally:
            await producer.stop()


def main() -> None:
    settings = PaymentsSettings()
    health = Health()
    server.serve_worker(settings, lambda stop: run(settings, health, stop), health)


if __name__ == "__main__":
    main()
