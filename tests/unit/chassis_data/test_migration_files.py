"""The tree of migrations is checked before a database is touched."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from chassis import migrate

MakePackage = Callable[..., str]


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePackage:
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(*names: str) -> str:
        package = f"made_up_{len(list(tmp_path.iterdir()))}_{tmp_path.name}".replace("-", "_")
        folder = tmp_path / package / "migrations"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").touch()
        for name in names:
            (folder / name).write_text("SELECT 1;")
        sys.modules.pop(package, None)
        return package

    return make


def test_files_are_found_in_the_order_of_their_numbers(make_package: MakePackage) -> None:
    found = migrate.find(make_package("0002_b.sql", "0001_a.sql", "README.md"))
    assert [(migration.number, migration.name) for migration in found] == [(1, "a"), (2, "b")]


@pytest.mark.parametrize(
    "names", [("0001_a.sql", "0003_c.sql"), ("0002_a.sql",), ("0001_a.sql", "0001_b.sql"), ("1_a.sql",)]
)
def test_gaps_doubles_and_odd_names_are_refused(names: tuple[str, ...], make_package: MakePackage) -> None:
    with pytest.raises(migrate.MigrationError):
        migrate.find(make_package(*names))


def test_the_chassis_own_files_are_in_order() -> None:
    assert len(migrate.find(migrate.CHASSIS)) >= 5
