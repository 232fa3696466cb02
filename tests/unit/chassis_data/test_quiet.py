"""A broker's outage must not flood the log."""

import logging
from collections.abc import Iterator

import pytest
from chassis.kafka import quiet


@pytest.fixture
def heard() -> Iterator[list[str]]:
    lines: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    ear, root = Ear(), logging.getLogger()
    root.addHandler(ear)
    quiet.install()
    logger = logging.getLogger(quiet.LOGGER)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    quiet.install()
    yield lines
    root.removeHandler(ear)


def test_ten_thousand_warnings_of_a_kind_are_one_line(heard: list[str]) -> None:
    logger = logging.getLogger("aiokafka.conn")
    for attempt in range(10_000):
        logger.warning("Unable to connect, attempt %s", attempt)
    assert heard == ["Unable to connect, attempt 0"]


def test_many_kinds_stay_below_the_limit_of_a_minute(heard: list[str]) -> None:
    logger = logging.getLogger("aiokafka.client")
    for kind in range(1000):
        logger.error(f"kind {kind:04d}")  # noqa: G004 - a thousand templates
    assert len(heard) == quiet.LINES_MAX


def test_information_is_dropped_and_installing_twice_doubles_nothing(heard: list[str]) -> None:
    quiet.install()
    logging.getLogger("aiokafka.x").info("chatter")
    logging.getLogger("aiokafka.x").warning("news")
    assert heard == ["news"]
