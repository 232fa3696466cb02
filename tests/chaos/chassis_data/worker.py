"""A worker process for the chaos tests: relay, consumer and direct sends, as the environment says."""

import asyncio
import os
import signal

from chassis import inbox, logs, postgres
from chassis.kafka import ConsumerLimits, ConsumerLoop, Message, Producer, Record, SendFailed
from chassis.outbox import Relay
from chassis.postgres import UNAVAILABLE, Connection, Pool
from chassis.settings import ChassisSettings

TOPIC = os.environ["CHAOS_TOPIC"]
ROLES = os.environ["CHAOS_ROLES"].split(",")
# Seconds that each batch stays open in Postgres, so that a kill meets one.
HOLD_S = float(os.environ.get("CHAOS_HOLD_S", "0"))
LIMITS = ConsumerLimits(
    fetch_records_max=int(os.environ.get("CHAOS_BATCH", "500")),
    poll_s=0.1,
    session_timeout_s=float(os.environ.get("CHAOS_SESSION_S", "6")),
    heartbeat_s=0.3,
)


async def apply(conn: Connection, messages: list[Message]) -> None:
    if "inbox" in ROLES:
        # The relay may send twice what the broker did not acknowledge in time.
        new = await inbox.first_times(conn, "chaos", [message.event_id for message in messages])
        messages = list(
            {message.event_id: message for message in messages if message.event_id in new}.values()
        )
    await conn.execute(
        """
        INSERT INTO effects (key, value)
        SELECT * FROM unnest($1::text[], $2::bigint[])
        """,
        [(message.key or b"").decode() for message in messages],
        [int(message.value or b"0") for message in messages],
    )
    await conn.execute("SELECT pg_sleep($1)", HOLD_S)


async def send_directly(pool: Pool, producer: Producer, stop: asyncio.Event) -> None:
    """What was acknowledged is noted: the test looks for each of them at the far end."""
    number = 1_000_000
    while not stop.is_set():
        number += 1
        try:
            await producer.send(Record(TOPIC, b"direct-%d" % number, b"%d" % number))
            await pool.execute("INSERT INTO acknowledged VALUES ($1)", number)
        except SendFailed:
            await asyncio.sleep(0.1)
        except UNAVAILABLE:
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.02)


async def main() -> None:
    settings = ChassisSettings()
    logs.setup(settings)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    producer = Producer(settings)
    await producer.start()
    async with postgres.pool_of(settings) as pool, asyncio.TaskGroup() as group:
        if "relay" in ROLES:
            group.create_task(Relay(pool, producer).run(stop))
        if "direct" in ROLES:
            group.create_task(send_directly(pool, producer, stop))
        if "consumer" in ROLES:
            loop = ConsumerLoop(
                settings, group=f"g.{TOPIC}", topics=[TOPIC], apply=apply, pool=pool, limits=LIMITS
            )
            group.create_task(loop.run(stop))
    await producer.stop()
    logs.flush()


if __name__ == "__main__":
    asyncio.run(main())
