"""What each service is given: its own database and secrets, and nobody else's."""

import re
from pathlib import Path

import pytest

from infra.local import addresses, catalog, paths, secrets, services, settings
from infra.local.catalog import Process
from infra.local.errors import LocalError
from infra.local.services import Service

every_service = pytest.mark.parametrize("service", services.ALL, ids=lambda service: service.name)
with_a_database = pytest.mark.parametrize("service", services.WITH_DATABASE, ids=lambda service: service.name)


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
    with pytest.raises(LocalError, match="metrics is not declared"):
        services.of_package("metrics")


@with_a_database
def test_a_service_has_a_database_a_role_and_a_password_of_its_own(service: Service) -> None:
    given = services.common_environment(service)
    name = service.name
    assert re.fullmatch(rf"postgresql://{name}@127\.0\.0\.1:\d+/{name}", given["DATABASE_URL"])
    assert given["DATABASE_PASSWORD"] == secrets.read(f"{name}_database_password")


@every_service
def test_callers_keys_are_given_to_the_seed_alone(service: Service) -> None:
    keys = {name.upper() for name in (*service.seed_secrets, *service.peer_secrets)}
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


def test_each_caller_among_our_own_services_holds_the_key_that_the_called_one_seeds() -> None:
    orders = services.environment(Process(catalog.ORDERS_WORKER))
    notices = services.environment(Process(catalog.NOTIFICATIONS_WORKER))
    payments, shortener = (services.seed_environment(s) for s in (services.PAYMENTS, services.SHORTENER))
    inventory = services.environment(Process(catalog.INVENTORY))
    assert orders["STRIPE_API_KEY"] == payments["PAYMENTS_API_KEY_ORDERS"]
    assert orders["STRIPE_API_BASE"] == payments["PUBLIC_BASE_URL"]
    assert orders["INVENTORY_API_KEY"] == inventory["INVENTORY_API_KEY"]
    assert notices["SHORTENER_API_KEY"] == shortener["SHORTENER_API_KEY_NOTIFICATIONS"]
    assert notices["SHORTENER_URL"] == shortener["PUBLIC_BASE_URL"]


def test_the_mailcatcher_shares_a_port_with_notifications_and_nothing_else() -> None:
    catcher = services.environment(Process(catalog.MAILCATCHER))
    notices = services.environment(Process(catalog.NOTIFICATIONS_WORKER))
    assert notices["SMTP_PORT"] == catcher["SMTP_PORT"] == str(settings.PORTS["SMTP_PORT"])
    assert not {"DATABASE_URL", "REDIS_URL", "KAFKA_BOOTSTRAP", "WEBHOOK_SECRET"} & catcher.keys()
    assert notices["TRACKING_URL"].format(order_id="ord_1").endswith("/orders/ord_1")


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
    assert found["ORDERS_URL"] == "http://127.0.0.1:8080"
    assert found["ORDERS_API_KEY"] != found["ORDERS_API_KEY_2"]
    assert found["MAILCATCHER_URL"] == "http://127.0.0.1:8160"
    assert "INVENTORY_URL" not in found, "orders alone calls inventory"
    assert found["METRICS_URL"] == "http://127.0.0.1:8180"
    assert found["STATSD_ADDR"] == "127.0.0.1:8190"
    assert found["VICTORIAMETRICS_URL"] == "http://127.0.0.1:18428"
    metrics_keys = {found[f"METRICS_API_KEY{suffix}"] for suffix in ("", "_2", "_STACK")}
    assert len(metrics_keys) == 3


def test_what_our_own_services_call_each_other_with_is_nobody_elses_business() -> None:
    every = {program.name for program in catalog.PROGRAMS}
    found = addresses.of(every, settings.ports(), secrets.read)
    private = {"BANK_API_KEY", "INVENTORY_API_KEY", "STRIPE_API_KEY", "WEBHOOK_SECRET"}
    peers = {name.upper() for service in services.ALL for name in service.peer_secrets}
    assert len(peers) == 2
    assert not (private | peers) & found.keys()
