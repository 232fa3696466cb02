"""What the shortener consumes: its own clicks."""

import socket
from collections.abc import Sequence

import msgspec
from chassis.kafka import ConsumerLimits, ConsumerLoop, Message
from chassis.postgres import Connection, Pool
from chassis.retry import Poison

from shortener.events import CLICKS_RECORDED, Click, parse_clicks
from shortener.settings import ShortenerSettings
from shortener.usecases.clicks import CONSUMER, apply_clicks

# A record holds up to two thousand clicks, so a few make a batch that the event loop can add up in one go.
LIMITS = ConsumerLimits(fetch_records_max=32, fetch_bytes_max=4 * 1024 * 1024)


def clicks_consumer(settings: ShortenerSettings, pool: Pool) -> ConsumerLoop:
    async def apply(conn: Connection, messages: Sequence[Message]) -> None:
        clicks = {message.event_id: read(message) for message in messages}
        await apply_clicks(conn, clicks, values_max=settings.click_values_per_dimension_max)

    return ConsumerLoop(
        settings,
        group=CONSUMER,
        topics=[CLICKS_RECORDED],
        apply=apply,
        pool=pool,
        redrive=True,
        offsets="postgres",
        limits=LIMITS,
        # A restart, wanted or not, takes its partitions up again at once; one that is scaled away leaves them
        # idle until its session ends, which delays counts by seconds and loses none.
        instance_id=f"{socket.gethostname()}:{settings.http_port}",
    )


def read(message: Message) -> list[Click]:
    """Give a record's clicks; Poison when it is not one of ours, which sends it to the dead letters."""
    if message.value is None:
        raise Poison("a record without a value")
    try:
        return parse_clicks(message.value)
    except msgspec.DecodeError as error:
        raise Poison(str(error)) from error
