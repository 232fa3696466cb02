"""One role and one database a service: creates what is missing and sets the passwords, on both runtimes."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg

CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 30.0


async def apply(dsn: str, roles: Mapping[str, str], *, password: str | None = None) -> list[str]:
    """`dsn` is an administrator's, `roles` maps a role to its password; the answer lists what was created."""
    conn = await asyncpg.connect(
        dsn,
        password=password,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=STATEMENT_TIMEOUT_S,
        # A slow ALTER ROLE must not reach the server's log with its password.
        server_settings={"application_name": "databases", "log_min_duration_statement": "-1"},
    )
    try:
        changes: list[str] = []
        for role, role_password in roles.items():
            changes += await _apply_one(conn, role, role_password)
        return changes
    finally:
        await conn.close(timeout=CONNECT_TIMEOUT_S)


async def _apply_one(conn: Any, role: str, role_password: str) -> list[str]:
    changes = []
    if not await conn.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
        await _run(conn, "CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE", role)
        changes.append(f"created role {role}")
    await _run(conn, "ALTER ROLE %I PASSWORD %L", role, role_password)
    if not await conn.fetchval("SELECT true FROM pg_database WHERE datname = $1", role):
        await _run(conn, "CREATE DATABASE %I OWNER %I", role, role)
        changes.append(f"created database {role}")
    # No service sees another's database: the default lets everybody connect.
    await _run(conn, "REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC", role)
    return changes


async def _run(conn: Any, template: str, *names: str) -> None:
    """Statements of this kind take no parameters: the server itself quotes the names into the template."""
    await conn.execute(await conn.fetchval("SELECT format($1, VARIADIC $2::text[])", template, list(names)))


def main() -> int:
    """`databases.py ROLE...`: DATABASE_URL is the administrator's, passwords are files in SECRETS_DIR.

    The files: `postgres_password`, and `<role>_database_password` for each role.
    """
    secrets = Path(os.environ.get("SECRETS_DIR", "/run/secrets"))
    roles = {role: (secrets / f"{role}_database_password").read_text().strip() for role in sys.argv[1:]}
    admin = (secrets / "postgres_password").read_text().strip()
    for change in asyncio.run(apply(os.environ["DATABASE_URL"], roles, password=admin)):
        print(change)
    return 0


if __name__ == "__main__":
    sys.exit(main())
