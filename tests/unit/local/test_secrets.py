"""Secrets are made once, for their owner alone."""

from pathlib import Path

import pytest

from infra.local import paths, secrets


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "SECRETS", tmp_path / "secrets")


def test_secrets_differ_from_each_other_and_are_readable_by_their_owner_alone() -> None:
    secrets.ensure()
    files = list(paths.SECRETS.iterdir())
    assert len({file.read_text() for file in files}) == len(files)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert paths.SECRETS.stat().st_mode & 0o777 == 0o700
    assert min(len(file.read_text()) for file in files) >= 32


def test_a_secret_that_exists_is_kept_and_a_half_written_one_is_made_anew() -> None:
    secrets.ensure()
    before = secrets.read("admin_api_key")
    (paths.SECRETS / "redis_password").write_text("")
    secrets.ensure()
    assert secrets.read("admin_api_key") == before
    assert secrets.read("redis_password") != ""
