"""Idempotency keys: one effect a key, the stored answer for every repeat, and nobody waits (ADR-0008).

Form A, all in one transaction: `claim`, the effect, `finish`, commit. A crash or a rollback leaves no trace.
A plain create does it in one statement of its own, and has its row read by `read_created`.
Form B, around calls to the outside: `claim` with an owner and a lease in a transaction of its own, `advance`
after each step, `finish` at the end; a completer finds what a dead owner left with `abandoned` and takes over
with a higher fencing token, which shuts the old owner out.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from chassis import metrics
from chassis.postgres import Connection

CLAIM_ATTEMPTS_MAX = 3
REAP_BATCH_MAX = 5000

OUTCOMES = metrics.counter(
    "idempotency_outcomes_total", "Claims of idempotency keys by outcome.", ("outcome",)
)

# One round trip: the lock is tried, the row read, and inserted or taken over, all in one statement.
_CLAIM = """
    WITH lock AS MATERIALIZED (
        SELECT pg_try_advisory_xact_lock(hashtextextended($1 || chr(31) || $2, 7)) AS held,
               coalesce($6::timestamptz, clock_timestamp()) AS at
    ), known AS (
        SELECT fingerprint, state, locked_until, response_status, response_headers, response_body
        FROM idempotency_keys
        WHERE scope = $1 AND key = $2
    ), inserted AS (
        INSERT INTO idempotency_keys (scope, key, fingerprint, locked_by, locked_until, created_at)
        SELECT $1, $2, $3, $4, lock.at + $5::interval, lock.at
        FROM lock
        WHERE lock.held AND NOT EXISTS (SELECT FROM known)
        ON CONFLICT DO NOTHING
        RETURNING fencing, recovery_point, recovery_data
    ), taken AS (
        UPDATE idempotency_keys AS k
        SET locked_by = $4, fencing = k.fencing + 1, locked_until = lock.at + $5::interval
        FROM lock
        WHERE lock.held AND k.scope = $1 AND k.key = $2 AND k.fingerprint = $3
          AND k.state = 'started' AND k.locked_until <= lock.at
        RETURNING k.fencing, k.recovery_point, k.recovery_data
    ), mine AS (
        SELECT fencing, recovery_point, recovery_data FROM inserted
        UNION ALL
        SELECT fencing, recovery_point, recovery_data FROM taken
    )
    SELECT lock.held, mine.fencing, mine.recovery_point, mine.recovery_data,
           known.fingerprint, known.state, known.locked_until <= lock.at AS expired,
           known.response_status, known.response_headers, known.response_body
    FROM lock LEFT JOIN mine ON true LEFT JOIN known ON true
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The caller owns the key; `recovery_point` is past "started" when a dead owner left work behind."""

    scope: str
    key: str
    fencing: int
    recovery_point: str = "started"
    recovery_data: Any = None


@dataclass(frozen=True, slots=True)
class Replay:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class InFlight:
    """Somebody works on this key now: answer 409, the client tries again."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key was used with other parameters."""


@dataclass(frozen=True, slots=True)
class Abandoned:
    scope: str
    key: str
    fingerprint: bytes
    recovery_point: str
    recovery_data: Any


Outcome = Claimed | Replay | InFlight | Mismatch


class Fenced(Exception):  # noqa: N818 the field's word
    """The claim was taken over after its lease ran out: what this owner holds must not be written."""


def fingerprint(parsed: Any) -> bytes:
    """SHA-256 over the parsed parameters (JSON types, dataclasses, structs), blind to the order of keys."""
    return hashlib.sha256(msgspec.json.encode(parsed, order="deterministic")).digest()


async def claim(
    conn: Connection,
    scope: str,
    key: str,
    fingerprint: bytes,
    *,
    owner: str = "",
    lease_s: float = 0.0,
    now: datetime | None = None,
) -> Outcome:
    """Take the key or learn at once why not; `scope` names tenant and operation. For use in a transaction."""
    lease = timedelta(seconds=lease_s)
    for _ in range(CLAIM_ATTEMPTS_MAX):
        row = await _claim(conn, scope, key, fingerprint, owner, lease, now)
        outcome = _read(row, scope, key, fingerprint)
        if outcome is not None:
            break
        # The lock was freed between our snapshot and our try: a new statement sees what its holder committed.
    else:
        outcome = InFlight()
    OUTCOMES.labels(type(outcome).__name__.lower()).inc()
    return outcome


async def _claim(
    conn: Connection,
    scope: str,
    key: str,
    digest: bytes,
    owner: str,
    lease: timedelta,
    now: datetime | None,
) -> Any:
    return await conn.fetchrow(
        _CLAIM,
        scope,
        key,
        digest,
        owner,
        lease,
        now,
    )


def _read(row: Any, scope: str, key: str, digest: bytes) -> Outcome | None:
    """None: the row changed hands while the statement ran, ask again."""
    if row["fencing"] is not None:
        return Claimed(scope, key, row["fencing"], row["recovery_point"], row["recovery_data"])
    outcome = _found(row, digest)
    if outcome is None:
        return None if row["held"] else InFlight()
    return None if isinstance(outcome, InFlight) and row["held"] and row["expired"] else outcome


def _found(row: Any, digest: bytes) -> Replay | InFlight | Mismatch | None:
    if row["fingerprint"] is None:
        return None
    if row["fingerprint"] != digest:
        return Mismatch()
    if row["state"] != "finished":
        return InFlight()
    return Replay(row["response_status"], row["response_headers"] or {}, row["response_body"] or b"")


def read_created(row: Any, fingerprint: bytes) -> Literal["created"] | Replay | InFlight | Mismatch | None:
    """For a statement that writes its key, finished, beside its rows: what it did, or found in its place.

    `row` has `created` and, of the key that was there before, fingerprint, state, response_status,
    response_headers, response_body. None: another request has just written the key, ask again to see it.
    """
    outcome = _found(row, fingerprint)
    if row["created"]:
        OUTCOMES.labels("claimed").inc()
        return "created"
    if outcome is not None:
        OUTCOMES.labels(type(outcome).__name__.lower()).inc()
    return outcome


async def finish(
    conn: Connection, claimed: Claimed, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """Store the answer beside the fact, in its transaction; raises `Fenced` when the claim was lost."""
    row = await conn.fetchrow(
        """
        UPDATE idempotency_keys
        SET state = 'finished', response_status = $4, response_headers = $5, response_body = $6
        WHERE scope = $1 AND key = $2 AND fencing = $3 AND state = 'started'
        RETURNING fencing
        """,
        claimed.scope,
        claimed.key,
        claimed.fencing,
        status,
        dict(headers),
        body,
    )
    _must_hold(row, claimed)


async def advance(
    conn: Connection, claimed: Claimed, point: str, data: Any = None, *, lease_s: float
) -> None:
    """Record that the work came as far as `point` and renew the lease; raises `Fenced` when it was lost."""
    row = await conn.fetchrow(
        """
        UPDATE idempotency_keys
        SET recovery_point = $4, recovery_data = $5, locked_until = clock_timestamp() + $6::interval
        WHERE scope = $1 AND key = $2 AND fencing = $3 AND state = 'started'
        RETURNING fencing
        """,
        claimed.scope,
        claimed.key,
        claimed.fencing,
        point,
        data,
        timedelta(seconds=lease_s),
    )
    _must_hold(row, claimed)


async def release(conn: Connection, claimed: Claimed) -> None:
    """Forget the key: execution never began (validation failed, overload), so the same key may try again."""
    await conn.execute(
        """
        DELETE FROM idempotency_keys
        WHERE scope = $1 AND key = $2 AND fencing = $3 AND state = 'started'
        """,
        claimed.scope,
        claimed.key,
        claimed.fencing,
    )


async def abandoned(conn: Connection, *, limit: int = 100) -> list[Abandoned]:
    """Claims whose lease ran out unfinished, oldest first: work for the completer."""
    rows = await conn.fetch(
        """
        SELECT scope, key, fingerprint, recovery_point, recovery_data
        FROM idempotency_keys
        WHERE state = 'started' AND locked_until < clock_timestamp()
        ORDER BY locked_until
        LIMIT $1
        """,
        limit,
    )
    return [
        Abandoned(row["scope"], row["key"], row["fingerprint"], row["recovery_point"], row["recovery_data"])
        for row in rows
    ]


async def reap(conn: Connection, older_than: datetime, *, limit: int = REAP_BATCH_MAX) -> int:
    """Delete finished keys created before `older_than`, at most `limit` a call; the answer counts them."""
    rows = await conn.fetch(
        """
        WITH old AS (
            SELECT scope, key
            FROM idempotency_keys
            WHERE created_at < $1 AND state = 'finished'
            ORDER BY created_at
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        DELETE FROM idempotency_keys AS k
        USING old
        WHERE k.scope = old.scope AND k.key = old.key
        RETURNING 1
        """,
        older_than,
        limit,
    )
    return len(rows)


def _must_hold(row: Any, claimed: Claimed) -> None:
    if row is None:
        OUTCOMES.labels("fenced").inc()
        raise Fenced(f"{claimed.scope}: claim {claimed.fencing} is no longer the current one")
