"""Ids that sort by time."""

import re

import pytest
from payments.clock import Clock, FileClock, clock_of
from payments.domain.ids import new_id, new_secret
from payments.settings import PaymentsSettings
from pydantic import ValidationError


def test_an_id_is_its_prefix_and_22_letters_and_digits() -> None:
    assert re.fullmatch(r"cus_[0-9A-Za-z]{22}", new_id("cus"))


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = [new_id("cus") for _ in range(5_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_secrets_do_not_repeat() -> None:
    made = {new_secret() for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(re.fullmatch(r"[0-9A-Za-z]{25}", one) for one in made)


def test_only_test_runs_may_move_the_clock(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("clock") / "ahead"
    assert isinstance(clock_of(PaymentsSettings(environment="test", clock_file=path)), FileClock)
    assert type(clock_of(PaymentsSettings(environment="local"))) is Clock
    with pytest.raises(ValidationError, match="ENVIRONMENT=test only"):
        PaymentsSettings(environment="production", clock_file=path)


def test_a_clock_file_moves_the_clock_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("clock") / "ahead"
    clock = FileClock(path)
    before = clock.now()
    path.write_text("86400")
    assert (clock.now() - before).total_seconds() >= 86_400
    path.write_text("")
    assert (clock.now() - before).total_seconds() < 3_600
