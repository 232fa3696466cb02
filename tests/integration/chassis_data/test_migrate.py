"""Migrations on a real server: once each, whole or not at all, from any number of runners."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from chassis import migrate

from tests.support.servers import Handle

MakePackage = Callable[[dict[str, str]], str]


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePackage:
    """A package on the path of this process and of its children; calling again changes its files."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    package = f"made_up_{tmp_path.name}".replace("-", "_")

    def make(files: dict[str, str]) -> str:
        folder = tmp_path / package / "migrations"
        folder.mkdir(parents=True, exist_ok=True)
        (folder.parent / "__init__.py").touch()
        for name, text in files.items():
            (folder / name).write_text(text)
        return package

    return make


def start(dsn: str, package: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "chassis.migrate", package],
        env={**os.environ, "DATABASE_URL": dsn},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def tables(dsn: str) -> set[str]:
    conn = await asyncpg.connect(dsn)
    try:
        rows = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row["tablename"] for row in rows}
    finally:
        await conn.close()


async def test_five_runners_at_once_apply_each_file_once(
    postgres_dsn: str, make_package: MakePackage
) -> None:
    # Without a lock the second CREATE TABLE of any file would fail.
    package = make_package(
        {f"{n:04d}_t{n}.sql": f"CREATE TABLE t{n} (); SELECT pg_sleep(0.05);" for n in range(1, 6)}
    )
    runners = [start(postgres_dsn, package) for _ in range(5)]
    outputs = [await asyncio.to_thread(runner.communicate, timeout=60) for runner in runners]
    assert [runner.returncode for runner in runners] == [0] * 5, outputs
    applied = "".join(output for output, _ in outputs).count(f"applied {package} ")
    assert applied == 5
    assert {"outbox", "inbox", "t1", "t5"} <= await tables(postgres_dsn)


async def test_a_second_run_changes_nothing(postgres_dsn: str, make_package: MakePackage) -> None:
    package = make_package({"0001_a.sql": "CREATE TABLE a ()"})
    assert str((await migrate.apply(postgres_dsn, package))[-1]) == f"{package} 0001_a"
    assert await migrate.apply(postgres_dsn, package) == []


async def test_a_file_changed_after_it_was_applied_is_an_error(
    postgres_dsn: str, make_package: MakePackage
) -> None:
    package = make_package({"0001_a.sql": "CREATE TABLE a ()"})
    await migrate.apply(postgres_dsn, package)
    make_package({"0001_a.sql": "CREATE TABLE a (); CREATE TABLE b ()"})
    with pytest.raises(migrate.MigrationError, match="changed after it was applied"):
        await migrate.apply(postgres_dsn, package)
    assert "b" not in await tables(postgres_dsn)


async def test_a_file_that_fails_leaves_nothing_and_stops_the_rest(
    postgres_dsn: str, make_package: MakePackage
) -> None:
    package = make_package(
        {
            "0001_a.sql": "CREATE TABLE a ()",
            "0002_b.sql": "CREATE TABLE b (); SELECT 1 / 0",
            "0003_c.sql": "CREATE TABLE c ()",
        }
    )
    with pytest.raises(migrate.MigrationError, match="0002_b: division by zero"):
        await migrate.apply(postgres_dsn, package)
    found = await tables(postgres_dsn)
    assert "a" in found
    assert not {"b", "c"} & found


async def test_a_migration_steps_back_from_a_table_in_use_and_comes_again(
    postgres_dsn: str, make_package: MakePackage
) -> None:
    package = make_package({"0001_a.sql": "CREATE TABLE a ()"})
    await migrate.apply(postgres_dsn, package)
    make_package({"0002_b.sql": "ALTER TABLE a ADD COLUMN b text"})
    said: list[str] = []
    conn = await asyncpg.connect(postgres_dsn)
    try:
        reading = conn.transaction()
        await reading.start()
        await conn.execute("SELECT * FROM a")

        def hear(line: str) -> None:
            said.append(line)
            if "attempt 1" in line:
                released.set()

        released = asyncio.Event()
        running = asyncio.create_task(migrate.apply(postgres_dsn, package, report=hear))
        async with asyncio.timeout(10):
            await released.wait()
        await reading.rollback()
        assert [str(one) for one in await running] == [f"{package} 0002_b"]
    finally:
        await conn.close()
    assert any("tables are in use, attempt 1" in line for line in said)


async def test_the_runner_waits_for_a_server_that_starts_later(own_postgres: Handle) -> None:
    await asyncio.to_thread(own_postgres.stop)
    said: list[str] = []
    running = asyncio.create_task(migrate.apply(own_postgres.address, "chassis", report=said.append))
    await asyncio.to_thread(own_postgres.start)
    async with asyncio.timeout(20):
        assert await running


async def test_a_server_that_never_answers_is_an_error_in_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrate, "WAIT_FOR_SERVER_S", 0.3)
    with pytest.raises(migrate.MigrationError, match="did not answer"):
        await migrate.apply("postgresql://nobody@127.0.0.1:1/none", "chassis")
