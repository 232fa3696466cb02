"""Ports: the environment before .env before the default, and what is wrong with a value is said."""

import pytest

from infra.local import paths, settings
from infra.local.errors import LocalError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path_factory.mktemp("checkout")
    monkeypatch.setattr(paths, "ROOT", root)
    monkeypatch.setattr(settings, "_STARTED_WITH", root / "ports.json")
    for name in settings.PORTS:
        monkeypatch.delenv(name, raising=False)


def test_a_variable_wins_over_a_line_of_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    (paths.ROOT / ".env").write_text("# ports\nREDIS_PORT=7001\nexport KAFKA_PORT='7002'\n")
    monkeypatch.setenv("REDIS_PORT", "7003")
    ports = settings.chosen_ports()
    assert (ports["REDIS_PORT"], ports["KAFKA_PORT"]) == (7003, 7002)
    assert ports["POSTGRES_PORT"] == settings.PORTS["POSTGRES_PORT"]


@pytest.mark.parametrize("value", ["0", "65536", "http", "-1"])
def test_a_value_that_is_no_port_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("REDIS_PORT", value)
    with pytest.raises(LocalError, match=f"REDIS_PORT={value}"):
        settings.chosen_ports()


def test_two_processes_cannot_be_given_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PORT", str(settings.PORTS["POSTGRES_PORT"]))
    with pytest.raises(LocalError, match="REDIS_PORT and POSTGRES_PORT"):
        settings.chosen_ports()


def test_a_running_stack_keeps_its_ports_whatever_the_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PORT", "7001")
    settings.remember_ports(settings.chosen_ports())
    monkeypatch.setenv("REDIS_PORT", "7002")
    assert settings.ports()["REDIS_PORT"] == 7001
    settings.forget_ports()
    assert settings.ports()["REDIS_PORT"] == 7002
