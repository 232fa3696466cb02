"""docker-compose.yml as it is written: what every container is denied, and what no secret may be."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.docker import secret_files
from infra.local import paths, secrets
from infra.local.paths import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOTS = {name for name, body in SERVICES.items() if body["restart"] == "no"}
PROFILES = {"core", "observability", "load"}
VERSION = re.compile(r":v?\d[\w.-]*$")
PASSWORD_IN_URL = re.compile(r"://[^/@\s]*:[^/@\s]*@")
SECRET_NAME = re.compile(r"(password|secret|token|api_key|_key)$", re.IGNORECASE)

every_service = pytest.mark.parametrize("name", sorted(SERVICES))
long_running = pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONE_SHOTS))


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of secrets as `up` makes it on a new machine."""
    monkeypatch.setattr(paths, "SECRETS", tmp_path / "secrets")
    secrets.ensure()
    secret_files.write(tmp_path / "secrets", tmp_path / "copies")
    return tmp_path / "copies"


def host_side(name: str) -> Iterator[str]:
    """The published ports of a service, `${NAME:-default}` replaced by its default."""
    for port in SERVICES[name].get("ports", []):
        yield re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", port)


@every_service
def test_a_container_has_a_read_only_root_no_capability_and_no_way_to_gain_one(name: str) -> None:
    body = SERVICES[name]
    assert body["read_only"] is True
    assert body["cap_drop"] == ["ALL"]
    assert body["security_opt"] == ["no-new-privileges:true"]
    assert "cap_add" not in body
    assert "privileged" not in body


@every_service
def test_a_container_does_not_run_as_root(name: str) -> None:
    user = SERVICES[name]["user"].split(":")[0]
    assert user.isdecimal()
    assert int(user) > 0


@every_service
def test_a_container_is_bounded_in_memory_processors_processes_and_logs(name: str) -> None:
    body = SERVICES[name]
    assert body["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert body["logging"]["options"].keys() == {"max-size", "max-file"}


@every_service
def test_an_image_is_pinned_by_version_or_built_here(name: str) -> None:
    body = SERVICES[name]
    built = {other["image"] for other in SERVICES.values() if "build" in other}
    if body["image"] not in built:
        assert VERSION.search(body["image"])


@every_service
def test_a_service_belongs_to_one_known_profile(name: str) -> None:
    assert len(SERVICES[name]["profiles"]) == 1
    assert set(SERVICES[name]["profiles"]) <= PROFILES


@long_running
def test_what_keeps_running_has_a_health_check_and_is_started_again(name: str) -> None:
    body = SERVICES[name]
    assert body["restart"] == "unless-stopped"
    assert body["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    # Engine 20.10 refuses it.
    assert "start_interval" not in body["healthcheck"]


@pytest.mark.parametrize("name", sorted(ONE_SHOTS - {"load"}))
def test_a_one_shot_is_waited_for_to_its_end(name: str) -> None:
    """`up --wait` takes the clean end of a one-shot that nobody waits for as a failure."""
    waiting = [
        other
        for other, body in SERVICES.items()
        if body.get("depends_on", {}).get(name, {}).get("condition") == "service_completed_successfully"
    ]
    assert waiting


@every_service
def test_a_dependency_is_waited_for_until_it_is_ready(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        done = other in ONE_SHOTS
        assert how["condition"] == ("service_completed_successfully" if done else "service_healthy")


@every_service
def test_a_port_is_published_on_the_loopback_only(name: str) -> None:
    for port in host_side(name):
        assert port.startswith("127.0.0.1:")


def test_no_two_services_publish_one_port() -> None:
    taken: list[int] = []
    for name in SERVICES:
        for port in host_side(name):
            first, _, last = port.split(":")[1].partition("-")
            taken += range(int(first), int(last or first) + 1)
    assert len(taken) == len(set(taken))


@every_service
def test_no_secret_stands_in_an_environment(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if SECRET_NAME.search(variable):
            pytest.fail(f"{variable} of {name} is a secret: give it a file")
        assert not PASSWORD_IN_URL.search(str(value)), variable


def test_a_secret_is_a_file_that_is_made_at_start(made: Path) -> None:
    for name, body in COMPOSE["secrets"].items():
        assert body == {"file": f"${{SECRETS_FOLDER:-.run/docker/secrets}}/{name}"}
        assert (made / name).read_text()


@every_service
def test_nothing_of_the_host_is_mounted_but_our_own_configuration_read_only(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, _, rest = volume.partition(":")
        if source in COMPOSE["volumes"]:
            continue
        assert source.startswith(("./infra/", "./loadtests"))
        assert rest.endswith(":ro")
        assert (ROOT / source).exists(), source


def test_the_networks_between_containers_have_no_way_out() -> None:
    assert COMPOSE["networks"]["data"] == {"internal": True}
    assert COMPOSE["networks"]["telemetry"] == {"internal": True}
    assert COMPOSE["networks"]["edge"]["driver_opts"] == {
        "com.docker.network.bridge.enable_ip_masquerade": "false"
    }


def test_what_measures_never_reaches_what_stores() -> None:
    for name in ("prometheus", "alertmanager", "grafana", "tempo"):
        assert "data" not in SERVICES[name]["networks"]


def test_secret_copies_are_readable_inside_a_folder_that_is_not(made: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in made.iterdir()} == {0o644}


def test_the_file_of_redis_does_not_open_redis(made: Path) -> None:
    assert (made / "redis_password").read_text() not in (made / "redis_acl").read_text()


def test_copies_outlive_the_secrets_they_were_made_of(made: Path) -> None:
    before = {path.name: path.read_text() for path in made.iterdir()}
    for path in paths.SECRETS.iterdir():
        path.unlink()
    secrets.ensure()
    secret_files.write(paths.SECRETS, made)
    assert {path.name: path.read_text() for path in made.iterdir()} == before
