"""One role and one database a service: none of them reaches another's, and nothing is done twice."""

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from infra.postgres.databases import apply
from tests.support.databases import Databases, run_apart


@pytest.fixture
def roles(databases: Databases) -> Iterator[dict[str, str]]:
    """Two new names with their passwords, as payments and the bank have theirs."""
    made = {f"service_{uuid4().hex[:8]}": uuid4().hex for _ in range(2)}
    yield made
    run_apart(_forget(databases, list(made)))


async def _forget(databases: Databases, names: list[str]) -> None:
    conn = await asyncpg.connect(databases.admin_dsn)
    for name in names:
        await conn.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await conn.execute(f'DROP ROLE IF EXISTS "{name}"')
    await conn.close()


def _dsn(databases: Databases, role: str, password: str, database: str) -> str:
    parts = urlsplit(databases.admin_dsn)
    place = f"{role}:{password}@{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=place, path=f"/{database}"))


async def test_a_role_owns_its_database_and_may_not_enter_another(
    databases: Databases, roles: dict[str, str]
) -> None:
    assert len(await apply(databases.admin_dsn, roles)) == 4
    first, second = roles
    conn = await asyncpg.connect(_dsn(databases, first, roles[first], first))
    await conn.execute("CREATE TABLE mine (n int)")
    await conn.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
        await asyncpg.connect(_dsn(databases, first, roles[first], second))


async def test_a_second_run_creates_nothing(databases: Databases, roles: dict[str, str]) -> None:
    await apply(databases.admin_dsn, roles)
    assert await apply(databases.admin_dsn, roles) == []
