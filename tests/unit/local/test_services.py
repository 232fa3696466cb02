"""What each service is given: its own database and secrets, and nobody else's."""

import re
from pathlib import Path

import pytest

from infra.local import addresses, catalog, paths, secrets, services, settings
from infra.local.catalog import Process
from infra.local.errors import LocalError
from infra.local.services import Service

every_service = pytest.mark.parametrize("service", services.ALL, ids=lambda service: service.name)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "SECRETS", tmp_path / "secrets")
    monkeypatch.setattr(settings, "_STARTED_WITH", tmp_path / "ports.json")
    monkeypatch.setattr(settings, "dotenv", dict)
    for name in (*settings.PORTS, "GEOIP_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    secrets.ensure()


def test_every_program_of_ours_belongs_to_a_declared_service() -> None:
    assert {program.package for program in catalog.SERVICES} == {service.name for service in services.ALL}
    with pytest.raises(LocalError, match="orders is not declared"):
        services.of_package("orders")


@every_service
def test_a_service_has_a_database_a_role_and_a_password_of_its_own(service: Service) -> None:
    given = services.common_environment(service)
    name = service.name
    assert re.fullmatch(rf"postgresql://{name}@127\.0\.0\.1:\d+/{name}", given["DATABASE_URL"])
    assert given["DATABASE_PASSWORD"] == secrets.read(f"{name}_database_password")


@every_service
def test_callers_keys_are_given_to_the_seed_alone(service: Service) -> None:
    keys = {name.upper() for name in service.seed_secrets}
    assert not keys & services.common_environment(service).keys()
    assert keys <= services.seed_environment(service).keys()


def test_a_service_that_needs_no_redis_and_no_kafka_does_not_hear_of_them() -> None:
    given = services.environment(Process(catalog.BANK))
    assert not {"REDIS_URL", "REDIS_PASSWORD", "KAFKA_BOOTSTRAP"} & given.keys()


def test_payments_finds_the_bank_and_both_hold_its_key() -> None:
    payments = services.environment(Process(catalog.PAYMENTS_WORKER))
    bank = services.environment(Process(catalog.BANK))
    assert payments["BANK_URL"] == f"http://127.0.0.1:{bank['HTTP_PORT']}"
    assert payments["BANK_API_KEY"] == bank["BANK_API_KEY"]


def test_only_a_process_behind_a_shared_address_is_given_its_socket() -> None:
    assert services.environment(Process(catalog.PAYMENTS, 2))["HTTP_PUBLIC_FD"] == "0"
    assert "HTTP_PUBLIC_FD" not in services.environment(Process(catalog.PAYMENTS_WORKER))


def test_a_choice_of_the_environment_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "GEOIP_DATABASE" not in services.common_environment(services.SHORTENER)
    monkeypatch.setenv("GEOIP_DATABASE", "/var/lib/countries.mmdb")
    assert services.common_environment(services.SHORTENER)["GEOIP_DATABASE"] == "/var/lib/countries.mmdb"
    assert "GEOIP_DATABASE" not in services.common_environment(services.PAYMENTS)


def test_what_make_env_prints_is_what_a_caller_needs() -> None:
    every = {program.name for program in catalog.PROGRAMS}
    found = addresses.of(every, settings.ports(), secrets.read)
    assert found["PAYMENTS_URL"] == "http://127.0.0.1:8040"
    assert found["BANK_URL"] == "http://127.0.0.1:8070"
    assert found["PAYMENTS_API_KEY"].startswith("sk_test_")
    assert found["PAYMENTS_API_KEY"] != found["PAYMENTS_API_KEY_2"]
    assert "BANK_API_KEY" not in found, "payments' own credential is nobody else's business"
