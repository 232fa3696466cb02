"""Rows of webhook_endpoints; a deleted one is found by nobody."""

from datetime import datetime

from asyncpg import Record
from chassis.postgres import Connection

from payments.domain.webhook_endpoints import Endpoint


def _endpoint(row: Record) -> Endpoint:
    return Endpoint(**{**row, "enabled_events": tuple(row["enabled_events"])})


async def lock_account(conn: Connection, account_id: str) -> None:
    """Creates of one account queue here, so that their count is exact."""
    await conn.execute("SELECT FROM accounts WHERE id = $1 FOR NO KEY UPDATE", account_id)


async def count(conn: Connection, account_id: str) -> int:
    found = await conn.fetchval(
        "SELECT count(*) FROM webhook_endpoints WHERE account_id = $1 AND deleted_at IS NULL", account_id
    )
    return int(found)


async def insert(conn: Connection, endpoint: Endpoint) -> None:
    await conn.execute(
        """
        INSERT INTO webhook_endpoints (id, account_id, url, enabled_events, description, metadata,
                                       api_version, status, secret, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """,
        endpoint.id,
        endpoint.account_id,
        endpoint.url,
        endpoint.enabled_events,
        endpoint.description,
        endpoint.metadata,
        endpoint.api_version,
        endpoint.status,
        endpoint.secret,
        endpoint.created_at,
    )


async def fetch(conn: Connection, account_id: str, endpoint_id: str) -> Endpoint | None:
    row = await conn.fetchrow(
        """
        SELECT id, account_id, url, enabled_events, description, metadata, api_version, status,
               secret, old_secret, old_secret_until, created_at
        FROM webhook_endpoints
        WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL
        """,
        account_id,
        endpoint_id,
    )
    return None if row is None else _endpoint(row)


async def lock(conn: Connection, account_id: str, endpoint_id: str) -> Endpoint | None:
    row = await conn.fetchrow(
        """
        SELECT id, account_id, url, enabled_events, description, metadata, api_version, status,
               secret, old_secret, old_secret_until, created_at
        FROM webhook_endpoints
        WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL
        FOR NO KEY UPDATE
        """,
        account_id,
        endpoint_id,
    )
    return None if row is None else _endpoint(row)


async def page(conn: Connection, account_id: str, below: str, limit: int) -> list[Endpoint]:
    """Newest first, those older than `below`."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, url, enabled_events, description, metadata, api_version, status,
               secret, old_secret, old_secret_until, created_at
        FROM webhook_endpoints
        WHERE account_id = $1 AND deleted_at IS NULL AND id < $2
        ORDER BY id DESC
        LIMIT $3
        """,
        account_id,
        below,
        limit,
    )
    return [_endpoint(row) for row in rows]


async def page_back(conn: Connection, account_id: str, above: str, limit: int) -> list[Endpoint]:
    """Oldest first, those newer than `above`."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, url, enabled_events, description, metadata, api_version, status,
               secret, old_secret, old_secret_until, created_at
        FROM webhook_endpoints
        WHERE account_id = $1 AND deleted_at IS NULL AND id > $2
        ORDER BY id
        LIMIT $3
        """,
        account_id,
        above,
        limit,
    )
    return [_endpoint(row) for row in rows]


async def update(conn: Connection, endpoint: Endpoint) -> None:
    await conn.execute(
        """
        UPDATE webhook_endpoints
        SET url = $2, enabled_events = $3, description = $4, metadata = $5, status = $6
        WHERE id = $1
        """,
        endpoint.id,
        endpoint.url,
        endpoint.enabled_events,
        endpoint.description,
        endpoint.metadata,
        endpoint.status,
    )


async def rotate(conn: Connection, endpoint: Endpoint) -> None:
    await conn.execute(
        """
        UPDATE webhook_endpoints SET secret = $2, old_secret = $3, old_secret_until = $4 WHERE id = $1
        """,
        endpoint.id,
        endpoint.secret,
        endpoint.old_secret,
        endpoint.old_secret_until,
    )


async def disable(conn: Connection, endpoint_id: str, url: str) -> bool:
    """Only while it still is at `url`: who moved it meanwhile did not mean the answer of the old place."""
    row = await conn.fetchrow(
        """
        UPDATE webhook_endpoints SET status = 'disabled'
        WHERE id = $1 AND url = $2 AND status = 'enabled' AND deleted_at IS NULL
        RETURNING id
        """,
        endpoint_id,
        url,
    )
    return row is not None


async def delete(conn: Connection, account_id: str, endpoint_id: str, at: datetime) -> bool:
    """Its secrets go at once; the row waits for its deliveries to go."""
    row = await conn.fetchrow(
        """
        UPDATE webhook_endpoints
        SET deleted_at = $3, status = 'disabled', secret = '', old_secret = NULL, old_secret_until = NULL
        WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL
        RETURNING id
        """,
        account_id,
        endpoint_id,
        at,
    )
    return row is not None


async def reap(conn: Connection, limit: int) -> int:
    """Delete rows of deleted endpoints whose deliveries are gone."""
    deleted = await conn.fetchval(
        """
        WITH gone AS (
            DELETE FROM webhook_endpoints AS w
            WHERE w.id IN (
                SELECT d.id FROM webhook_endpoints AS d
                WHERE d.deleted_at IS NOT NULL
                  AND NOT EXISTS (SELECT FROM webhook_deliveries AS x WHERE x.endpoint_id = d.id)
                LIMIT $1
                FOR UPDATE SKIP LOCKED
            )
            RETURNING true
        )
        SELECT count(*) FROM gone
        """,
        limit,
    )
    return int(deleted)
