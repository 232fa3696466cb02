"""The mails of all mailboxes, the newest ones, in memory."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count, islice
from typing import Any


@dataclass(frozen=True, slots=True)
class Caught:
    """`recipients` are the envelope's; `content` the mail as it was sent."""

    id: int
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    received_at: datetime

    def is_for(self, address: str) -> bool:
        return any(recipient.lower() == address.lower() for recipient in self.recipients)

    def rendered(self) -> dict[str, Any]:
        mail = message_from_bytes(self.content, policy=policy.default)
        return {
            "id": self.id,
            "received_at": self.received_at.isoformat(),
            "from": self.sender,
            "to": list(self.recipients),
            "subject": mail["Subject"],
            "message_id": mail["Message-ID"],
            "headers": {name.lower(): str(value) for name, value in mail.items()},
            "text": _body(mail, "plain"),
            "html": _body(mail, "html"),
        }


class Mailbox:
    def __init__(self, messages_max: int) -> None:
        self._caught: deque[Caught] = deque(maxlen=messages_max)
        self._ids = count(1)

    def __len__(self) -> int:
        return len(self._caught)

    def put(self, sender: str, recipients: list[str], content: bytes) -> Caught:
        caught = Caught(next(self._ids), sender, tuple(recipients), content, datetime.now(UTC))
        self._caught.append(caught)
        return caught

    def find(self, to: str | None, limit: int) -> list[Caught]:
        """Newest first."""
        wanted = (one for one in reversed(self._caught) if to is None or one.is_for(to))
        return list(islice(wanted, limit))

    def clear(self) -> None:
        self._caught.clear()


def _body(mail: EmailMessage, subtype: str) -> str | None:
    part = mail.get_body((subtype,))
    return None if part is None else str(part.get_content()).replace("\r\n", "\n")
