"""The time of payments: every timestamp that is stored or compared comes from here, never from SQL."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from payments.settings import PaymentsSettings


class Clock:
    """The machine's."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FileClock(Clock):
    """Ahead of the machine's by the seconds in a file: tests of expiry move every process with one write."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        """Without the file, or while it is being written, the machine's time."""
        try:
            ahead_s = float(self._path.read_text() or 0)
        except (FileNotFoundError, ValueError):
            ahead_s = 0.0
        return super().now() + timedelta(seconds=ahead_s)


def clock_of(settings: PaymentsSettings) -> Clock:
    return Clock() if settings.clock_file is None else FileClock(settings.clock_file)
