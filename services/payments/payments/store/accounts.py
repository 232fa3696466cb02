"""Accounts and their secret keys."""

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record
from chassis.postgres import Connection


async def by_key(conn: Connection, key_sha256: bytes) -> Record | None:
    """Give the account of a key that is not revoked."""
    return await conn.fetchrow(
        """
        SELECT accounts.id, accounts.name, accounts.rate_per_s, accounts.burst
        FROM api_keys JOIN accounts ON accounts.id = api_keys.account_id
        WHERE api_keys.key_sha256 = $1 AND api_keys.revoked_at IS NULL
        """,
        key_sha256,
    )


async def upsert(
    conn: Connection, account_id: str, name: str, rate_per_s: float, burst: int, at: datetime
) -> None:
    await conn.execute(
        """
        INSERT INTO accounts (id, name, rate_per_s, burst, created_at)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id) DO UPDATE
        SET name = excluded.name, rate_per_s = excluded.rate_per_s, burst = excluded.burst
        """,
        account_id,
        name,
        rate_per_s,
        burst,
        at,
    )


async def add_key(conn: Connection, account_id: str, key_sha256: bytes, at: datetime) -> None:
    """Add a key, or give it back to this account when it was revoked."""
    await conn.execute(
        """
        INSERT INTO api_keys (key_sha256, account_id, created_at)
        VALUES ($2, $1, $3)
        ON CONFLICT (key_sha256) DO UPDATE SET account_id = excluded.account_id, revoked_at = NULL
        """,
        account_id,
        key_sha256,
        at,
    )


async def revoke_other_keys(conn: Connection, account_id: str, kept: Sequence[bytes], at: datetime) -> None:
    """Revoke every key of the account but these."""
    await conn.execute(
        """
        UPDATE api_keys SET revoked_at = $3
        WHERE account_id = $1 AND key_sha256 <> ALL($2::bytea[]) AND revoked_at IS NULL
        """,
        account_id,
        kept,
        at,
    )
