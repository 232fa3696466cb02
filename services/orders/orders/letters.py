"""The index of dead letters: reads every DLQ topic, and what groups tell of redriven messages."""

from collections.abc import Sequence
from typing import Final

import msgspec
from chassis.dlq import RESOLVED_TOPIC
from chassis.kafka import ConsumerLimits, ConsumerLoop, Message
from chassis.postgres import Connection, Pool
from chassis.records import Origin
from chassis.retry import Poison

from orders.domain.letters import Resolved, death_of
from orders.settings import OrdersSettings
from orders.usecases import dead_letters

GROUP: Final = dead_letters.INDEX
# A topic that is declared later is read too, from its beginning.
TOPICS: Final = r"^(.+\.dlq|dead-letters\.letter-resolved\.v1)$"
# A letter may be as large as a message can be: few are held at once.
LIMITS: Final = ConsumerLimits(
    fetch_records_max=200, fetch_bytes_max=8 * 1024 * 1024, metadata_age_max_s=10.0
)


class LetterResolved(msgspec.Struct, frozen=True):
    """What a group tells after it applied a redriven message."""

    group: str
    topic: str
    partition: int
    offset: int
    redrives: int


_decode_resolved = msgspec.json.Decoder(LetterResolved).decode


def letters_consumer(
    settings: OrdersSettings, pool: Pool, *, group: str = GROUP, topics: str = TOPICS
) -> ConsumerLoop:
    """`topics` is a regular expression."""

    async def apply(conn: Connection, messages: Sequence[Message]) -> None:
        # Deaths first: who resolves a letter has read it, so its death is no later in the batch's truth.
        deaths = [death_of(message) for message in messages if message.topic != RESOLVED_TOPIC]
        resolved = [read_resolved(message) for message in messages if message.topic == RESOLVED_TOPIC]
        await dead_letters.record(conn, deaths, resolved)

    return ConsumerLoop(
        settings, group=group, pattern=topics, apply=apply, pool=pool, offsets="postgres", limits=LIMITS
    )


def read_resolved(message: Message) -> Resolved:
    """Raises Poison; a record of a DLQ topic is never refused, whatever it is."""
    try:
        told = _decode_resolved(message.value or b"")
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Poison(str(error)) from error
    return Resolved(
        group=told.group,
        origin=Origin(told.topic, told.partition, told.offset),
        redrives=told.redrives,
    )
