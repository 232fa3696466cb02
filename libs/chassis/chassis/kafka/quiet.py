"""aiokafka's logger, held back: an outage of 7 s drew 23,662 warnings from it (measured)."""

import logging
import time

LINES_MAX = 20
WINDOW_S = 60.0
REPEAT_AFTER_S = 20.0
TEMPLATES_MAX = 256
LOGGER = "aiokafka"


class Quiet(logging.Handler):
    """Passes on the first line of a kind, then one every 20 s, and at most 20 lines a minute."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last: dict[tuple[str, str], float] = {}
        self._held: dict[tuple[str, str], int] = {}
        self._window_started = 0.0
        self._passed = 0

    def emit(self, record: logging.LogRecord) -> None:
        kind = (record.name, str(record.msg)[:80])
        now = time.monotonic()
        if not self._may_pass(kind, now):
            self._held[kind] = self._held.get(kind, 0) + 1
            return
        held = self._held.pop(kind, 0)
        if held:
            record.msg, record.args = f"{record.getMessage()} [{held} more like this held back]", ()
        # An exception's stack is the library's, the same every time: its line says enough.
        record.exc_info = record.exc_text = None
        logging.getLogger().handle(record)

    def _may_pass(self, kind: tuple[str, str], now: float) -> bool:
        if now - self._window_started > WINDOW_S:
            self._window_started, self._passed = now, 0
        if self._passed >= LINES_MAX or now - self._last.get(kind, -REPEAT_AFTER_S) < REPEAT_AFTER_S:
            return False
        if len(self._last) >= TEMPLATES_MAX:
            self._last.clear()
            self._held.clear()
        self._last[kind] = now
        self._passed += 1
        return True


def install() -> None:
    """Idempotent: producers and consumers call it before they make a client."""
    logger = logging.getLogger(LOGGER)
    if not any(isinstance(handler, Quiet) for handler in logger.handlers):
        logger.addHandler(Quiet())
        logger.propagate = False
