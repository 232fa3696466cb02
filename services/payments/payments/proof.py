"""`python -m payments.proof`: what /admin/proof says, in a terminal; exits with 1 when something is wrong."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from chassis import logs, postgres

from payments.app import resources_of
from payments.bank import bank_of
from payments.domain.proof import Check
from payments.settings import PaymentsSettings
from payments.usecases.proof import prove

TIMEOUT_S: Final = 600.0


async def run(settings: PaymentsSettings) -> list[Check]:
    async with postgres.pool_of(settings) as pool, bank_of(settings) as bank:
        return await prove(resources_of(settings, pool, bank), timeout_s=TIMEOUT_S)


def table_of(checks: Sequence[Check]) -> str:
    """A line a check: what is wrong, first of all, stands out."""
    width = max(len(check.name) for check in checks)
    return "".join(f"{'ok   ' if c.ok else 'WRONG'}  {c.name:{width}}  {c.detail}\n" for c in checks)


def main() -> None:
    settings = PaymentsSettings()
    logs.setup(settings)
    checks = asyncio.run(run(settings))
    sys.stdout.write(table_of(checks))
    logs.flush()
    sys.exit(0 if all(check.ok for check in checks) else 1)


if __name__ == "__main__":
    main()
