"""A module run in the place of a service's process: with its settings, without what is that process's own."""

import os
from pathlib import Path
from typing import Any

import pytest

from infra.local import oneoff, paths, secrets, settings, supervisor
from infra.local.errors import LocalError


@pytest.fixture
def replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the process would become."""
    monkeypatch.setattr(paths, "SECRETS", tmp_path / "secrets")
    monkeypatch.setattr(settings, "_STARTED_WITH", tmp_path / "ports.json")
    monkeypatch.setattr(settings, "dotenv", dict)
    monkeypatch.setattr(supervisor, "alive", lambda: True)
    monkeypatch.setattr(os, "chdir", lambda _: None)
    found: list[Any] = []
    monkeypatch.setattr(os, "execvpe", lambda *words: found.extend(words))
    secrets.ensure()
    return found


def test_it_has_the_database_and_the_keys_of_the_process_whose_place_it_takes(replaced: list[Any]) -> None:
    oneoff.become(["orders", "orders.deadletters", "list", "--limit", "5"])
    _, command, environment = replaced
    assert command[1:] == ["-m", "orders.deadletters", "list", "--limit", "5"]
    assert environment["DATABASE_PASSWORD"] == secrets.read("orders_database_password")
    assert environment["STRIPE_API_KEY"] == secrets.read("payments_api_key_orders")
    assert not {"HTTP_PUBLIC_FD", "TRACE_FILE"} & environment.keys()


@pytest.mark.usefixtures("replaced")
def test_it_needs_a_service_and_a_module() -> None:
    with pytest.raises(LocalError, match="which module"):
        oneoff.become(["orders-worker"])


def test_it_needs_a_stack_that_runs(replaced: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "alive", lambda: False)
    with pytest.raises(LocalError, match="nothing runs"):
        oneoff.become(["orders-worker", "orders.deadletters"])
    assert replaced == []
