"""Who sends which shard: leases with a growing token, shared out evenly among the relays alive.

A relay that stalls past its lease loses the shard, and its token no longer matches: it may not delete.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from chassis.ids import uuid7
from chassis.postgres import Connection

SHARDS = 16


@dataclass(frozen=True, slots=True)
class Lease:
    token: int
    # By this process's monotonic clock, counted from before the statement was sent: always the earlier end.
    until: float


class Leases:
    def __init__(self, lease_s: float) -> None:
        self.owner = str(uuid7())
        self._lease = timedelta(seconds=lease_s)
        self._held: dict[int, Lease] = {}
        # An answer that arrives late must not bring back a shard given away meanwhile.
        self._lock = asyncio.Lock()

    def held(self) -> Mapping[int, Lease]:
        """Shards that this relay may send at this moment."""
        now = time.monotonic()
        return {shard: lease for shard, lease in self._held.items() if lease.until > now}

    async def renew(self, conn: Connection) -> None:
        """Safe to call while a batch is on its way."""
        async with self._lock:
            await self._renew(conn)

    async def _renew(self, conn: Connection) -> None:
        until = time.monotonic() + self._lease.total_seconds()
        rows = await conn.fetch(
            """
            WITH alive AS (
                INSERT INTO outbox_relays (owner, expires_at)
                VALUES ($1, clock_timestamp() + $2::interval)
                ON CONFLICT (owner) DO UPDATE SET expires_at = excluded.expires_at
            )
            UPDATE outbox_leases
            SET expires_at = clock_timestamp() + $2::interval
            WHERE owner = $1 AND expires_at > clock_timestamp()
            RETURNING shard, token
            """,
            self.owner,
            self._lease,
        )
        self._held = {row["shard"]: Lease(row["token"], until) for row in rows}

    async def share_out(self, conn: Connection) -> None:
        """Take or give back shards up to the fair share; only between batches."""
        async with self._lock:
            await self._renew(conn)
            await self._balance(conn)

    async def _balance(self, conn: Connection) -> None:
        relays = await conn.fetchval(
            "SELECT count(*) FROM outbox_relays WHERE expires_at > clock_timestamp()"
        )
        fair = math.ceil(SHARDS / max(relays, 1))
        surplus = len(self._held) - fair
        if surplus > 0:
            await self._give_back(conn, sorted(self._held)[:surplus])
        elif surplus < 0:
            await self._take(conn, -surplus)

    async def _take(self, conn: Connection, count: int) -> None:
        until = time.monotonic() + self._lease.total_seconds()
        rows = await conn.fetch(
            """
            UPDATE outbox_leases AS l
            SET owner = $1, token = l.token + 1, expires_at = clock_timestamp() + $2::interval
            FROM (
                SELECT shard
                FROM outbox_leases
                WHERE expires_at <= clock_timestamp()
                ORDER BY shard
                LIMIT $3
                FOR UPDATE SKIP LOCKED
            ) AS free
            WHERE l.shard = free.shard
            RETURNING l.shard, l.token
            """,
            self.owner,
            self._lease,
            count,
        )
        self._held |= {row["shard"]: Lease(row["token"], until) for row in rows}

    async def _give_back(self, conn: Connection, shards: list[int]) -> None:
        await conn.execute(
            """
            UPDATE outbox_leases
            SET owner = NULL, expires_at = '-infinity'
            WHERE owner = $1 AND shard = ANY ($2::smallint[])
            """,
            self.owner,
            shards,
        )
        for shard in shards:
            self._held.pop(shard, None)

    async def leave(self, conn: Connection) -> None:
        """Free everything at once, so that nobody waits for the leases to run out."""
        await self._give_back(conn, list(self._held))
        await conn.execute(
            """
            DELETE FROM outbox_relays
            WHERE owner = $1 OR expires_at < clock_timestamp() - interval '1 minute'
            """,
            self.owner,
        )
