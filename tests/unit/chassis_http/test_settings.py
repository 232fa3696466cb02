"""Settings: from variables, from secret files, checked, and unchangeable."""

from pathlib import Path

import pytest
from chassis.settings import ChassisSettings
from pydantic import ValidationError


def test_a_secret_file_stands_in_for_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "admin_api_key").write_text("from-file\n")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    monkeypatch.delenv("ADMIN_API_KEY", raising=False)
    secret = ChassisSettings().admin_api_key
    assert secret is not None
    assert secret.get_secret_value() == "from-file"
    assert "from-file" not in repr(secret)


def test_a_variable_wins_and_an_empty_one_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "service_name").write_text("from-file")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("SERVICE_NAME", "")
    assert ChassisSettings().service_name == "from-file"
    monkeypatch.setenv("SERVICE_NAME", "from-variable")
    assert ChassisSettings().service_name == "from-variable"


def test_a_folder_of_secrets_need_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRETS_DIR", "/nowhere/at/all")
    monkeypatch.setenv("HTTP_PUBLIC_FD", "0")
    assert ChassisSettings().http_public_fd == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"database_pool_min": 5, "database_pool_max": 4},
        {"inflight_min": 5, "inflight_max": 4},
        {"trace_sample_ratio": 1.5},
        {"http_port": 70_000},
    ],
)
def test_bounds_that_contradict_stop_the_process_at_its_start(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ChassisSettings(**wrong)  # type: ignore[arg-type]


def test_they_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        ChassisSettings().http_port = 1
