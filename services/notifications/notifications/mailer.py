"""Hands mails in by SMTP: a few kept connections, every wait bounded, each failure told for what it is."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, localtime
from typing import Final

import aiosmtplib
from chassis.retry import HandlerError, Permanent, Transient
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from notifications.domain.addresses import address_of
from notifications.domain.texts import Text
from notifications.farend import FarEnd
from notifications.settings import NotificationsSettings

_tracer = trace.get_tracer(__name__)

_REFUSED_FOR_GOOD: Final = 500
_FAILURES: Final = (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError)


class Mailer:
    """One a process; an idle connection is asked before it is used again, as servers hang up on them."""

    def __init__(self, settings: NotificationsSettings) -> None:
        self._settings = settings
        self._from = address_of(settings.mail_from)
        self._far_end = FarEnd(
            "smtp",
            settings,
            calls_max=settings.smtp_connections_max,
            queue_timeout_s=settings.smtp_queue_timeout_s,
        )
        self._idle: list[tuple[float, aiosmtplib.SMTP]] = []

    async def send(self, text: Text, *, to: str, message_id: str) -> None:
        """`message_id` names the mail for ever: who gets it twice can tell. Raises Transient, Permanent."""
        mail = self.compose(text, to, message_id)
        async with self._far_end.call():
            with _tracer.start_as_current_span("smtp send", kind=SpanKind.CLIENT):
                try:
                    async with asyncio.timeout(self._settings.smtp_timeout_s):
                        await self._hand_in(mail, to)
                except _FAILURES as error:
                    raise verdict_on(error) from error

    def compose(self, text: Text, to: str, message_id: str) -> EmailMessage:
        """Raises Permanent for what no mail can hold."""
        try:
            return self._compose(text, to, message_id)
        except ValueError as error:
            raise Permanent(f"this mail cannot be written: {error}") from error

    def _compose(self, text: Text, to: str, message_id: str) -> EmailMessage:
        mail = EmailMessage(policy.SMTP)
        mail["To"] = address_of(to)
        mail["From"] = self._from
        mail["Subject"] = text.subject
        mail["Date"] = format_datetime(localtime())
        mail["Message-ID"] = f"<{message_id}@{self._from.domain}>"
        mail["Auto-Submitted"] = "auto-generated"  # so that nobody's holiday reply comes back (RFC 3834)
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            mail["X-Trace-Id"] = f"{span.trace_id:032x}"
        mail.set_content(text.plain)
        mail.add_alternative(text.html, subtype="html")
        return mail

    async def _hand_in(self, mail: EmailMessage, to: str) -> None:
        client = await self._connected()
        try:
            await client.send_message(mail, sender=self._from.addr_spec, recipients=[to])
        except BaseException:
            client.close()
            raise
        self._idle.append((time.monotonic(), client))

    async def _connected(self) -> aiosmtplib.SMTP:
        while self._idle:
            since, client = self._idle.pop()
            if await self._is_good(client, time.monotonic() - since):
                return client
            client.close()
        settings = self._settings
        password = settings.smtp_password
        client = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=password.get_secret_value() if password is not None else None,
            local_hostname=self._from.domain,  # looked up otherwise, which may take seconds
            timeout=settings.smtp_timeout_s,
            use_tls=settings.smtp_tls == "implicit",
            start_tls={"required": True, "implicit": False, "if_offered": None}[settings.smtp_tls],
        )
        await client.connect()
        return client

    async def _is_good(self, client: aiosmtplib.SMTP, idle_s: float) -> bool:
        """A line that broke silently is found by asking; just after a mail that is not worth it."""
        if not client.is_connected or idle_s > self._settings.smtp_idle_max_s:
            return False
        return idle_s < self._settings.smtp_idle_trusted_s or await _answers(client)

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()


async def _answers(client: aiosmtplib.SMTP) -> bool:
    try:
        await client.rset()
    except (aiosmtplib.SMTPException, OSError):
        return False
    except BaseException:
        client.close()
        raise
    return True


def verdict_on(error: Exception) -> HandlerError:
    """5xx to a mail is for good; to a greeting or a password it is about us, and passes once mended."""
    match error:
        case (
            aiosmtplib.SMTPConnectError() | aiosmtplib.SMTPHeloError() | aiosmtplib.SMTPAuthenticationError()
        ):
            return Transient(f"the mail server does not take us: {error}")
        case aiosmtplib.SMTPRecipientsRefused(recipients=[first, *_]):
            return verdict_on(first)
        case aiosmtplib.SMTPResponseException(code=code, message=message):
            kind = Permanent if code >= _REFUSED_FOR_GOOD else Transient
            return kind(f"the mail server said {code} {message}")
        case aiosmtplib.SMTPNotSupported() | ValueError():
            return Permanent(f"this mail cannot be sent: {error}")
        case _:
            return Transient(f"the mail server: {type(error).__name__}: {error}")


@asynccontextmanager
async def mailer_of(settings: NotificationsSettings) -> AsyncIterator[Mailer]:
    mailer = Mailer(settings)
    try:
        yield mailer
    finally:
        mailer.close()
