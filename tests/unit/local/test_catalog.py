"""Names and ports of replicas, and the supervisor's configuration made from them."""

import configparser
from pathlib import Path

import pytest

from infra.local import catalog, paths, settings, supervisor
from infra.local.catalog import Process
from infra.local.errors import LocalError


@pytest.fixture(autouse=True)
def _default_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_STARTED_WITH", tmp_path / "ports.json")
    monkeypatch.setattr(settings, "dotenv", dict)
    for name in settings.PORTS:
        monkeypatch.delenv(name, raising=False)


def test_the_first_replica_carries_the_bare_name_and_the_second_a_number() -> None:
    assert [Process(catalog.SHORTENER, n).name for n in (1, 2, 3)] == [
        "shortener",
        "shortener-2",
        "shortener-3",
    ]


def test_replicas_of_a_shared_address_listen_beside_it() -> None:
    public = settings.PORTS["SHORTENER_PORT"]
    assert [Process(catalog.SHORTENER, n).port for n in (1, 2)] == [public + 1, public + 2]
    worker = settings.PORTS["SHORTENER_WORKER_PORT"]
    assert [Process(catalog.SHORTENER_WORKER, n).port for n in (1, 2)] == [worker, worker + 1]


def test_no_two_processes_have_one_port() -> None:
    ports = [process.port for process in catalog.processes()]
    ports += [settings.PORTS[p.port_variable] for p in catalog.PROGRAMS if p.shares_socket]
    assert len(set(ports)) == len(ports)


def test_a_replica_is_found_by_its_name_and_a_bare_name_means_all() -> None:
    assert catalog.process("shortener-2") == Process(catalog.SHORTENER, 2)
    assert catalog.process("shortener") is None
    assert catalog.process("redis") == Process(catalog.REDIS)
    with pytest.raises(LocalError, match="there is no service"):
        catalog.program("shortner")


def test_callers_stand_in_a_later_layer_than_those_they_call() -> None:
    layer = {program.name: n for n, programs in enumerate(catalog.LAYERS) for program in programs}
    calls = {
        "payments": ["bank"],
        "orders": ["inventory"],
        "orders-worker": ["payments", "inventory"],
        "notifications-worker": ["shortener", "mailcatcher"],
    }
    for caller, called in calls.items():
        assert all(layer[name] < layer[caller] for name in called), caller
    assert tuple(program for programs in catalog.LAYERS for program in programs) == catalog.SERVICES


def test_the_supervisor_starts_nothing_by_itself_and_restarts_what_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SUPERVISOR", "LOGS", "DATA", "TARGETS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    monkeypatch.setattr(supervisor, "CONFIG", tmp_path / "supervisord.conf")
    supervisor.write_config()
    parsed = configparser.RawConfigParser()
    parsed.read(supervisor.CONFIG)
    sections = {name: dict(parsed[name]) for name in parsed.sections() if "program:" in name}
    assert {name.split(":")[1] for name in sections} == {program.name for program in catalog.PROGRAMS}
    assert {section["autostart"] for section in sections.values()} == {"false"}
    assert {section["autorestart"] for section in sections.values()} == {"true"}
    shared = [program for program in catalog.PROGRAMS if program.shares_socket]
    assert {p.name for p in shared} == {"shortener", "payments", "orders", "inventory", "metrics-ingest"}
    for program in shared:
        public = str(settings.PORTS[program.port_variable])
        assert sections[f"fcgi-program:{program.name}"]["socket"].endswith(public)
    assert supervisor.CONFIG.stat().st_mode & 0o077 == 0
