"""The declaration of topics keeps to the naming rules."""

import re
import socket

import pytest
from pytest_socket import SocketBlockedError

from infra.kafka import topics

NAME = re.compile(r"[a-z-]+\.[a-z-]+\.v\d+(\.dlq)?|[a-z-]+(\.[a-z-]+)?\.retry\.(redrive|\d+[sm])")
MIB = 1024 * 1024
BATCHES = "metrics-ingest.batches-accepted.v1"


def test_every_topic_is_named_service_noun_past_and_version() -> None:
    assert [t.name for t in topics.declared() if not NAME.fullmatch(t.name)] == []


def test_a_dead_letter_topic_stands_beside_the_topic_it_serves() -> None:
    names = {t.name for t in topics.declared()}
    assert {n for n in names if n.endswith(".dlq")} <= {f"{n}.dlq" for n in names}


def test_a_dead_letter_topic_leaves_room_for_the_largest_event_and_the_headers_it_gains() -> None:
    sizes = _sizes()
    tight = [n for n, size in sizes.items() if n.endswith(".dlq") and size < sizes[n[:-4]] + MIB // 4]
    assert tight == []


def test_a_retry_topic_leaves_room_for_the_largest_event_of_those_that_can_be_retried() -> None:
    sizes = _sizes()
    # Batches of points are tried in their place until the store takes them.
    largest = max(size for n, size in sizes.items() if n.endswith(".v1") and n != BATCHES)
    assert min(size for n, size in sizes.items() if ".retry." in n) >= largest + MIB // 4


def _sizes() -> dict[str, int]:
    return {t.name: int(t.config["max.message.bytes"]) for t in topics.declared()}


def test_a_group_that_can_be_redriven_has_a_topic_of_its_own_for_it() -> None:
    names = {t.name for t in topics.declared()}
    for group in ("orders", "inventory", "notifications", "shortener.clicks"):
        assert f"{group}.retry.redrive" in names


def test_a_unit_test_cannot_open_a_socket() -> None:
    with pytest.warns(UserWarning, match="tried to use socket"), pytest.raises(SocketBlockedError):
        socket.create_connection(("127.0.0.1", 9))
