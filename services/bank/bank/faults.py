"""Faults strike here, in front of every other layer, so that they look like a far end that fails."""

import asyncio
import random
import socket
import struct
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from chassis.metrics import counter
from chassis.problems import send_problem
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bank.domain.cards import CARDS
from bank.domain.faults import Fault, FaultKind
from bank.problems import FaultError, Outage

DECLINES: Final = "fault_declines"  # in the request's state: whatever the card, the issuer says no

_FAULTS = counter("bank_faults_total", "Requests struck by a fault, by its kind.", ("kind",))
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_BY_LAST_WORD = {"charges": "authorise", "capture": "capture", "void": "void", "refunds": "refund"}


def operation_of(scope: Scope) -> str | None:
    """What a request asks of the processor; None for what faults never touch."""
    if scope["type"] != "http" or not scope["path"].startswith("/v1/charges"):
        return None
    if scope["method"] == "POST":
        return _BY_LAST_WORD.get(scope["path"].rpartition("/")[2])
    return "look_up"


class Switch:
    """The fault that the operator has set last; a restart forgets it."""

    def __init__(self, *, roll: Callable[[], float] = random.random) -> None:
        self._roll = roll
        self.fault: Fault | None = None

    def draw(self, operation: str) -> Fault | None:
        """The fault that strikes this request, if one does."""
        fault = self.fault
        if fault is None or not fault.hits(operation) or self._roll() >= fault.probability:
            return None
        return fault


class CardFaults:
    """Faults that come with a card: they strike the first attempt of a key, and its repeats get through."""

    class _Peeked(msgspec.Struct):
        card: str = ""

    def __init__(self, *, kept_max: int) -> None:
        self._kept_max = kept_max
        self._struck: OrderedDict[bytes, None] = OrderedDict()
        self._peek = msgspec.json.Decoder(self._Peeked).decode

    def draw(self, scope: Scope, body: bytes) -> Fault | None:
        try:
            card = CARDS.get(self._peek(body).card)
        except msgspec.DecodeError:
            return None
        if card is None or card.fault is None:
            return None
        key = next((value for name, value in scope["headers"] if name == b"idempotency-key"), None)
        if key is None or key in self._struck:
            return None
        self._struck[key] = None
        if len(self._struck) > self._kept_max:
            self._struck.popitem(last=False)
        return card.fault


class FaultLayer:
    """An ASGI layer; it stands before deadlines and load shedding, which a failing far end would not have."""

    def __init__(self, app: ASGIApp, switch: Switch, cards: CardFaults) -> None:
        self._app = app
        self._switch = switch
        self._cards = cards

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = operation_of(scope)
        if operation is None:
            await self._app(scope, receive, send)
            return
        fault = self._switch.draw(operation)
        if fault is None and operation == "authorise":
            first = await receive()
            fault = self._cards.draw(scope, first.get("body", b""))
            receive = _again(first, receive)
        if fault is None:
            await self._app(scope, receive, send)
            return
        _FAULTS.labels(fault.kind).inc()
        await self._strike(fault, scope, receive, send)

    async def _strike(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        match fault.kind:
            case FaultKind.DECLINE:
                scope.setdefault("state", {})[DECLINES] = True
                await self._app(scope, receive, send)
            case FaultKind.SLOW:
                await asyncio.sleep(fault.delay_s)
                await self._app(scope, receive, send)
            case FaultKind.HANG:
                await _gone(receive, within_s=fault.delay_s)
                await reset(receive, send)
            case FaultKind.ERROR:
                await send_problem(send, FaultError())
            case FaultKind.RESET:
                await reset(receive, send)
            case FaultKind.REPLY_LOST:
                await self._app(scope, receive, _swallow)
                await reset(receive, send)
            case FaultKind.OUTAGE:
                await send_problem(send, Outage())


async def reset(receive: Receive, send: Send) -> None:
    """Ends the connection as a crash does: the peer reads ECONNRESET, not an end of the stream."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("the server has no transport to reset")
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    await _gone(receive, within_s=1.0)


async def _gone(receive: Receive, *, within_s: float) -> None:
    """Returns when the peer has left, or after that time."""
    try:
        async with asyncio.timeout(within_s):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


async def _swallow(_message: Message) -> None:
    """The answer, on its way to nobody."""


def _again(first: Message, receive: Receive) -> Callable[[], Awaitable[Message]]:
    """A `receive` that gives `first` once more."""
    pending: list[Message] = [first]

    async def received() -> Message:
        return pending.pop() if pending else await receive()

    return received
