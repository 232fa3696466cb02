"""`python -m payments.seed`: the accounts of a fresh installation, with the keys of its secrets."""

import asyncio
from typing import Final

from chassis import auth, logs, postgres

from payments.clock import clock_of
from payments.dialect.calls import Account
from payments.settings import PaymentsSettings
from payments.usecases.accounts import put_accounts

log = logs.get_logger(__name__)

FIRST: Final = "acct_demo"
SECOND: Final = "acct_demo2"
ORDERS: Final = "acct_orders"


def accounts_of(settings: PaymentsSettings) -> list[tuple[Account, bytes]]:
    """Each account whose key is configured, with the hash of the key."""
    usual = (settings.seeded_rate_per_s, settings.seeded_burst)
    wanted = (
        (Account(FIRST, "Demo", *usual), settings.payments_api_key),
        (Account(SECOND, "Second demo", *usual), settings.payments_api_key_2),
        (
            Account(ORDERS, "Orders", settings.orders_rate_per_s, settings.orders_burst),
            settings.payments_api_key_orders,
        ),
    )
    return [(account, auth.hash_key(key.get_secret_value())) for account, key in wanted if key is not None]


async def seed(settings: PaymentsSettings) -> int:
    """Give how many accounts were put in place; repeating it changes nothing."""
    accounts = accounts_of(settings)
    async with postgres.pool_of(settings) as pool:
        await put_accounts(pool, accounts, clock_of(settings).now())
    return len(accounts)


def main() -> None:
    settings = PaymentsSettings()
    logs.setup(settings)
    log.info("accounts.seeded", count=asyncio.run(seed(settings)))
    logs.flush()


if __name__ == "__main__":
    main()
