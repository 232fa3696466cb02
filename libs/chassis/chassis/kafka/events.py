"""From messages to events: decoded by type, each applied once, what cannot be read told from what fails."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from chassis import inbox
from chassis.kafka.faults import Faults
from chassis.kafka.isolate import Apply, Unreadable
from chassis.postgres import Connection
from chassis.records import Message
from chassis.retry import Poison

VALUE_BYTES_MAX = 256 * 1024


@dataclass(frozen=True, slots=True)
class Incoming:
    """`event` is an instance of the model of `message.event_type`."""

    event: Any
    message: Message


Handle = Callable[[Connection, list[Incoming]], Awaitable[None]]
HandleOne = Callable[[Incoming], Awaitable[None]]


class Handlers:
    """What a consumer reads: a tolerant model (a msgspec Struct) for each event type.

    Types in `ignore` pass by without a trace; any other type is unknown here, and poison: it may not be lost.
    """

    def __init__(
        self,
        *,
        consumer: str,
        types: Mapping[str, type[msgspec.Struct]],
        ignore: Collection[str] = frozenset(),
        faults: Faults | None = None,
        value_bytes_max: int = VALUE_BYTES_MAX,
    ) -> None:
        self._consumer = consumer
        self._decoders = {name: msgspec.json.Decoder(model) for name, model in types.items()}
        self._ignore = frozenset(ignore)
        self._faults = faults
        self._value_bytes_max = value_bytes_max

    def apply(self, handle: Handle) -> Apply:
        """For a ConsumerLoop: `handle` gets the events that are new to this consumer, in order."""

        async def apply(conn: Connection, messages: list[Message]) -> None:
            incoming = self._read_all(messages)
            if not incoming:
                return
            if self._faults is not None:
                await self._faults.check([one.message for one in incoming])
            ids = [one.message.event_id for one in incoming]
            new = await inbox.first_times(conn, self._consumer, ids)
            fresh = []
            for one, event_id in zip(incoming, ids, strict=True):
                if event_id in new:
                    new.discard(event_id)
                    fresh.append(one)
            if fresh:
                await handle(conn, fresh)

        return apply

    def _read_all(self, messages: list[Message]) -> list[Incoming]:
        incoming, errors = [], []
        for message in messages:
            try:
                one = self.read(message)
            except Poison as error:
                errors.append((message, error))
            else:
                if one is not None:
                    incoming.append(one)
        if errors:
            raise Unreadable(errors)
        return incoming

    def deliver(self, handle: HandleOne) -> Callable[[Message], Awaitable[None]]:
        """For a DeliveryLoop: one event at a time and no inbox: the delivery itself has to know repeats."""

        async def deliver(message: Message) -> None:
            incoming = self.read(message)
            if incoming is None:
                return
            if self._faults is not None:
                await self._faults.check([message])
            await handle(incoming)

        return deliver

    def read(self, message: Message) -> Incoming | None:
        """None when its type is ignored; raises Poison."""
        name, event_id = message.event_type, message.header("ce_id")
        if name is None or event_id is None or not event_id.isascii():
            raise Poison("no CloudEvent: it has no ce_type or no ce_id of letters and digits")
        if name in self._ignore:
            return None
        decoder = self._decoders.get(name)
        if decoder is None:
            raise Poison(f"unknown event type {name}")
        if message.value is None:
            raise Poison("a message without a value")
        if len(message.value) > self._value_bytes_max:
            raise Poison(f"{len(message.value)} bytes, above {self._value_bytes_max}")
        try:
            return Incoming(decoder.decode(message.value), message)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise Poison(f"{name}: {error}") from error
