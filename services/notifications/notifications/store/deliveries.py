"""The deliveries' statements."""

from datetime import datetime

from chassis.postgres import Connection

from notifications.domain.deliveries import Claim, Standing, State
from notifications.domain.notices import Notice


async def claim(conn: Connection, notice: Notice, *, redrives: int, lease_s: float) -> Claim | None:
    """None: it is sent, was refused, or is in another's hand."""
    row = await conn.fetchrow(
        """
        INSERT INTO deliveries (event_id, channel, order_id, tenant_id, state, redrives, target, leased_until)
        VALUES ($1, $2, $3, $4, 'sending', $5, $6, clock_timestamp() + $7 * interval '1 second')
        ON CONFLICT (event_id, channel) DO UPDATE
        SET state = 'sending', attempts = deliveries.attempts + 1,
            redrives = greatest(deliveries.redrives, excluded.redrives),
            leased_until = excluded.leased_until, target = excluded.target
        WHERE (deliveries.state = 'sending' AND deliveries.leased_until <= clock_timestamp())
           OR (deliveries.state = 'failed' AND deliveries.redrives < excluded.redrives)
        RETURNING attempts, short_url
        """,
        notice.event_id,
        notice.channel,
        notice.order.order_id,
        notice.order.tenant_id,
        redrives,
        notice.target,
        lease_s,
    )
    return None if row is None else Claim(row["attempts"], row["short_url"])


async def look_up(conn: Connection, notice: Notice) -> Standing | None:
    row = await conn.fetchrow(
        """
        SELECT state, error,
               greatest(extract(epoch FROM leased_until - clock_timestamp()), 0)::float8 AS lease_s
        FROM deliveries
        WHERE event_id = $1 AND channel = $2
        """,
        notice.event_id,
        notice.channel,
    )
    return None if row is None else Standing(State(row["state"]), row["error"], row["lease_s"])


async def skip(conn: Connection, notice: Notice) -> bool:
    """False: it is known already."""
    row = await conn.fetchrow(
        """
        INSERT INTO deliveries (event_id, channel, order_id, tenant_id, state, attempts)
        VALUES ($1, $2, $3, $4, 'skipped', 0)
        ON CONFLICT (event_id, channel) DO NOTHING
        RETURNING true
        """,
        notice.event_id,
        notice.channel,
        notice.order.order_id,
        notice.order.tenant_id,
    )
    return row is not None


async def remember_link(conn: Connection, notice: Notice, short_url: str) -> None:
    await conn.execute(
        "UPDATE deliveries SET short_url = $3 WHERE event_id = $1 AND channel = $2",
        notice.event_id,
        notice.channel,
        short_url,
    )


async def settle(
    conn: Connection, notice: Notice, attempt: int, state: State, error: str | None = None
) -> bool:
    """Record what became of the attempt and end its lease; false when another has taken over since."""
    row = await conn.fetchrow(
        """
        UPDATE deliveries
        SET state = $4, error = $5, leased_until = clock_timestamp(),
            sent_at = CASE WHEN $4 = 'sent' THEN clock_timestamp() END
        WHERE event_id = $1 AND channel = $2 AND attempts = $3 AND state = 'sending'
        RETURNING true
        """,
        notice.event_id,
        notice.channel,
        attempt,
        state,
        error,
    )
    return row is not None


async def reap(conn: Connection, before: datetime, limit: int) -> int:
    """Forget at most `limit` deliveries that were begun before that moment."""
    rows = await conn.fetch(
        """
        DELETE FROM deliveries
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM deliveries WHERE created_at < $1 LIMIT $2))
        RETURNING 1
        """,
        before,
        limit,
    )
    return len(rows)
