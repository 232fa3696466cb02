"""Fresh databases on a shared Postgres: empty, or cloned from one that a service's migrations made."""

import asyncio
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from filelock import FileLock

T = TypeVar("T")
TIMEOUT_S = 60.0


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on a loop of its own thread: fixtures may be asked for under a running loop."""
    result: list[T] = []
    failure: list[BaseException] = []

    def target() -> None:
        try:
            result.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001  (carried over to the thread that waits)
            failure.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


class Databases:
    """Creates databases as the administrator whose DSN it holds."""

    def __init__(self, admin_dsn: str, folder: Path) -> None:
        self.admin_dsn = admin_dsn
        self._folder = folder

    def dsn(self, name: str) -> str:
        return urlunsplit(urlsplit(self.admin_dsn)._replace(path=f"/{name}"))

    def create(self, *, template: str = "template1") -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        # Copied as files, not page by page through the log: a quarter of the time where fsync is off.
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self.dsn(name)

    def migrated(self, package: str) -> str:
        """A clone of the one database of this run on which `python -m chassis.migrate <package>` ran."""
        template = f"template_{package}_{self._folder.name.replace('-', '_')}"
        with FileLock(self._folder / f"{template}.lock", timeout=TIMEOUT_S):
            done = self._folder / f"{template}.done"
            if not done.exists():
                self._execute(f'CREATE DATABASE "{template}"')
                migrate(self.dsn(template), package)
                done.touch()
        return self.create(template=template)

    def drop(self, dsn: str) -> None:
        name = urlsplit(dsn).path.lstrip("/")
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        async def run() -> None:
            conn = await asyncpg.connect(self.admin_dsn, timeout=TIMEOUT_S)
            try:
                await conn.execute(statement, timeout=TIMEOUT_S)
            finally:
                await conn.close(timeout=TIMEOUT_S)

        run_apart(run())


def migrate(dsn: str, package: str) -> None:
    """The very command that a deployment runs."""
    environment = {**os.environ, "DATABASE_URL": dsn}
    subprocess.run(
        [sys.executable, "-m", "chassis.migrate", package], env=environment, check=True, timeout=TIMEOUT_S
    )
