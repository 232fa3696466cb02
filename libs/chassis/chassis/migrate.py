"""Migrations: numbered SQL files, applied once, one transaction a file, safe to run from many processes."""

import argparse
import asyncio
import hashlib
import importlib.resources
import os
import pathlib
import random
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

CHASSIS = "chassis"
WAIT_FOR_SERVER_S = 60.0
WAIT_FOR_LOCK_S = 120.0
CONNECT_TIMEOUT_S = 5.0
LOCK_ATTEMPTS_MAX = 10
POLL_S = 0.25
PROGRESS_S = 2.0
# Any constant does, as long as every runner takes the same.
ADVISORY_LOCK = 0x5167_6E61_6C62_6F78
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

Report = Callable[[str], None]


class MigrationError(Exception):
    """The tree and the database disagree, or the server did not answer in time."""


@dataclass(frozen=True, slots=True)
class Migration:
    scope: str
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.scope} {self.number:04d}_{self.name}"


def find(package: str) -> list[Migration]:
    """The package's migrations in order; a gap or a number used twice is an error."""
    folder = importlib.resources.files(package) / "migrations"
    found = []
    for entry in folder.iterdir():
        if entry.name.endswith(".sql"):
            match = _NAME.fullmatch(entry.name)
            if match is None:
                raise MigrationError(f"{package}: {entry.name} is not named NNNN_<what>.sql")
            found.append(Migration(package, int(match[1]), match[2], entry.read_text("utf-8")))
    found.sort(key=lambda migration: (migration.number, migration.name))
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise MigrationError(f"{package}: numbers are not 1..{len(found)}: {numbers}")
    return found


async def apply(
    dsn: str, package: str, *, password: str | None = None, report: Report | None = None
) -> list[Migration]:
    """Apply what is missing of the chassis, then of the package; the answer lists what this call applied."""
    say: Report = report or (lambda _: None)
    migrations = find(CHASSIS) + (find(package) if package != CHASSIS else [])
    connection = await _connect(dsn, password, say)
    try:
        await _take_advisory_lock(connection, say)
        known = await _known(connection)
        missing = [migration for migration in migrations if not _is_applied(migration, known)]
        for migration in missing:
            await _apply_one(connection, migration, say)
        return missing
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


async def _connect(dsn: str, password: str | None, say: Report) -> Any:
    deadline = time.monotonic() + WAIT_FOR_SERVER_S
    spoken = time.monotonic()
    while True:
        try:
            return await asyncpg.connect(
                dsn,
                password=password,
                timeout=CONNECT_TIMEOUT_S,
                server_settings={"application_name": "migrate"},
            )
        except (
            OSError,
            TimeoutError,
            asyncpg.CannotConnectNowError,
            asyncpg.PostgresConnectionError,
        ) as error:
            if time.monotonic() > deadline:
                raise MigrationError(
                    f"Postgres did not answer for {WAIT_FOR_SERVER_S:.0f} s: {error}"
                ) from error
            if time.monotonic() - spoken > PROGRESS_S:
                spoken = time.monotonic()
                say(f"waiting for Postgres ({error})")
        await asyncio.sleep(POLL_S)


async def _take_advisory_lock(connection: Any, say: Report) -> None:
    """Polled, so that the wait is bounded, says so, and holds no snapshot meanwhile."""
    deadline = time.monotonic() + WAIT_FOR_LOCK_S
    spoken = time.monotonic()
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", ADVISORY_LOCK):
        if time.monotonic() > deadline:
            raise MigrationError(f"another runner held the migration lock for {WAIT_FOR_LOCK_S:.0f} s")
        if time.monotonic() - spoken > PROGRESS_S:
            spoken = time.monotonic()
            say("waiting for another runner to finish")
        await asyncio.sleep(POLL_S)


async def _known(connection: Any) -> dict[tuple[str, int], str]:
    await connection.execute(
        """
        CREATE TABLE IF NOT EXISTS schema_migrations (
            scope text NOT NULL,
            number integer NOT NULL,
            name text NOT NULL,
            checksum text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (scope, number)
        )
        """
    )
    rows = await connection.fetch("SELECT scope, number, checksum FROM schema_migrations")
    return {(row["scope"], row["number"]): row["checksum"] for row in rows}


def _is_applied(migration: Migration, known: dict[tuple[str, int], str]) -> bool:
    checksum = known.get((migration.scope, migration.number))
    if checksum is not None and checksum != migration.checksum:
        raise MigrationError(f"{migration} was changed after it was applied: add a new file instead")
    return checksum is not None


async def _apply_one(connection: Any, migration: Migration, say: Report) -> None:
    """Waits briefly for its locks, then steps back: traffic never queues behind a migration for long."""
    for attempt in range(1, LOCK_ATTEMPTS_MAX + 1):
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '2s'")
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO schema_migrations (scope, number, name, checksum) VALUES ($1, $2, $3, $4)",
                    migration.scope,
                    migration.number,
                    migration.name,
                    migration.checksum,
                )
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if attempt == LOCK_ATTEMPTS_MAX:
                raise MigrationError(f"{migration}: no lock in {attempt} attempts: {error}") from error
            say(f"{migration}: tables are in use, attempt {attempt} of {LOCK_ATTEMPTS_MAX}")
            await asyncio.sleep(random.uniform(0.5, 1.0) * attempt)  # noqa: S311 - jitter
        except asyncpg.PostgresError as error:
            raise MigrationError(f"{migration}: {error}") from error
        else:
            say(f"applied {migration}")
            return


def _password() -> str | None:
    secret = pathlib.Path(os.environ.get("SECRETS_DIR", "/run/secrets")) / "database_password"
    if "DATABASE_PASSWORD" in os.environ or not secret.is_file():
        return os.environ.get("DATABASE_PASSWORD")
    return secret.read_text("utf-8").strip()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chassis.migrate", description=__doc__)
    parser.add_argument("package", help="import name of the service, e.g. shortener")
    package = parser.parse_args().package
    dsn = os.environ.get("DATABASE_URL")
    if dsn is None:
        sys.stderr.write("DATABASE_URL is not set\n")
        return 2
    try:
        applied = asyncio.run(
            apply(dsn, package, password=_password(), report=lambda line: print(line, flush=True))  # noqa: T201
        )
    except (MigrationError, asyncpg.PostgresError) as error:
        sys.stderr.write(f"migration failed: {error}\n")
        return 1
    sys.stdout.write(f"{package}: {len(applied)} applied, schema is up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
