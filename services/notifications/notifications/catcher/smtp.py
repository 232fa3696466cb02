"""The SMTP side: aiosmtpd's protocol on the running loop, with a handler that keeps mails or fails."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

from aiosmtpd.smtp import SMTP, Envelope, Session
from chassis.logs import get_logger
from chassis.metrics import counter

from notifications.catcher.faults import FaultKind, Switch
from notifications.catcher.mailbox import Mailbox
from notifications.catcher.settings import CatcherSettings

_log = get_logger(__name__)
_MAILS = counter("mailcatcher_mails_total", "Mails handed in, by what became of them.", ("outcome",))

OK: Final = "250 2.0.0 Kept"
BUSY: Final = "451 4.3.2 A fault was switched on: try again later"
REFUSED: Final = "550 5.7.1 A fault was switched on: this mail is refused"


class Handler:
    """The names of its hooks are aiosmtpd's."""

    def __init__(self, mailbox: Mailbox, switch: Switch) -> None:
        self._mailbox = mailbox
        self._switch = switch

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        fault = self._switch.kind
        _MAILS.labels(fault or "kept").inc()
        match fault:
            case FaultKind.REFUSE:
                return REFUSED
            case FaultKind.BUSY:
                return BUSY
            case FaultKind.HANG:
                # The end of the connection, by the peer or by the idle limit, cancels this.
                await asyncio.Event().wait()
        self._mailbox.put(str(envelope.mail_from), envelope.rcpt_tos, envelope.original_content or b"")
        if fault is FaultKind.REPLY_LOST:
            _abort(server)
        return OK


class _Session(SMTP):
    """One connection; `open_sessions` knows all of them, so that the end of the process can cut them."""

    def __init__(self, handler: Handler, open_sessions: set["_Session"], settings: CatcherSettings) -> None:
        super().__init__(
            handler,
            loop=asyncio.get_running_loop(),
            hostname="mailcatcher",  # looked up otherwise, which blocks
            ident="SMTP",
            data_size_limit=settings.message_bytes_max,
            enable_SMTPUTF8=True,
            timeout=settings.smtp_idle_max_s,
        )
        self._open = open_sessions
        self._sessions_max = settings.smtp_sessions_max

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._open.add(self)
        if len(self._open) > self._sessions_max:
            _abort(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._open.discard(self)
        super().connection_lost(error)


@asynccontextmanager
async def listening(settings: CatcherSettings, mailbox: Mailbox, switch: Switch) -> AsyncIterator[int]:
    """Serves SMTP on the loop that runs; gives the port."""
    # It logs every command of every session.
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    sessions: set[_Session] = set()
    handler = Handler(mailbox, switch)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Session(handler, sessions, settings), settings.http_host, settings.smtp_port
    )
    port: int = server.sockets[0].getsockname()[1]
    _log.info("smtp.started", port=port)
    try:
        yield port
    finally:
        server.close()
        for session in list(sessions):
            _abort(session)
        await server.wait_closed()


def _abort(session: SMTP) -> None:
    """The peer reads the end of the stream at once, whatever it waits for."""
    if session.transport is not None:
        cast("asyncio.Transport", session.transport).abort()
