"""The declaration of topics keeps to the naming rules."""

import re
import socket

import pytest
from pytest_socket import SocketBlockedError

from infra.kafka import topics

NAME = re.compile(r"[a-z-]+\.[a-z-]+\.v\d+(\.dlq)?")


def test_every_topic_is_named_service_noun_past_and_version() -> None:
    assert [t.name for t in topics.declared() if not NAME.fullmatch(t.name)] == []


def test_a_dead_letter_topic_stands_beside_the_topic_it_serves() -> None:
    names = {t.name for t in topics.declared()}
    assert {n for n in names if n.endswith(".dlq")} <= {f"{n}.dlq" for n in names}


def test_a_unit_test_cannot_open_a_socket() -> None:
    with pytest.warns(UserWarning, match="tried to use socket"), pytest.raises(SocketBlockedError):
        socket.create_connection(("127.0.0.1", 9))
