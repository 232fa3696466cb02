"""Who a secret key belongs to, and the accounts that a fresh installation has."""

from collections.abc import Sequence
from datetime import datetime

from chassis.postgres import Pool

from payments.dialect.calls import Account
from payments.store import accounts as store


async def find_account(db: Pool, key_sha256: bytes) -> Account | None:
    async with db.acquire() as conn:
        row = await store.by_key(conn, key_sha256)
    if row is None:
        return None
    return Account(id=row["id"], name=row["name"], rate_per_s=row["rate_per_s"], burst=row["burst"])


async def put_accounts(db: Pool, accounts: Sequence[tuple[Account, bytes]], at: datetime) -> None:
    """Create or update each account and leave it the given key alone."""
    async with db.acquire() as conn, conn.transaction():
        for account, key_sha256 in accounts:
            await store.upsert(conn, account.id, account.name, account.rate_per_s, account.burst, at)
            await store.revoke_other_keys(conn, account.id, [key_sha256], at)
            await store.add_key(conn, account.id, key_sha256, at)
