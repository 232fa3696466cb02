"""What payments needs to be measured: real Postgres, Redis and Kafka, the bank, an account without a rate."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import asyncpg
from chassis.auth import hash_key

from benchmarks._processes import LOAD_CORE, Process, python_server
from benchmarks._servers import Servers, running_servers
from tests.support.databases import Databases
from tests.support.ports import free_port
from tests.support.servers import Postgres

ACCOUNT = "acct_bench"
# The limit is measured elsewhere: here it must not be what is measured.
RATE_PER_S = 1e6


@dataclass(frozen=True, slots=True)
class Stack:
    """Running servers; `environment` is what a payments process reads."""

    postgres: Postgres
    databases: Databases
    environment: Mapping[str, str]
    api_key: str

    def payments(self, **settings: str) -> AbstractContextManager[Process]:
        """One API process on the server's core, with telemetry as it is shipped."""
        return self._process("payments.main", settings)

    def worker(self, **settings: str) -> AbstractContextManager[Process]:
        return self._process("payments.worker", settings, core=LOAD_CORE)

    def bank(self) -> AbstractContextManager[Process]:
        """Where `BANK_URL` says."""
        port = int(self.environment["BANK_URL"].rpartition(":")[2])
        settings = {"DATABASE_URL": self.databases.migrated("bank")}
        return self._process("bank.main", settings, core=LOAD_CORE, port=port)

    def bare(self) -> AbstractContextManager[Process]:
        return self._process(
            "benchmarks.payments.bare_app",
            {"DATABASE_URL": self.databases.create()},
            ready_path="/healthz",
        )

    def database(self) -> str:
        """A migrated one, with the benchmark's account."""
        dsn = self.databases.migrated("payments")
        asyncio.run(_open_account(dsn, self.api_key))
        return dsn

    def _process(
        self,
        module: str,
        settings: Mapping[str, str],
        *,
        core: int = 0,
        port: int | None = None,
        ready_path: str = "/readyz",
    ) -> AbstractContextManager[Process]:
        port = port or free_port()
        own = {"HTTP_PORT": str(port), "SERVICE_NAME": module, **settings}
        environment = {**self.environment, **own}
        return python_server(["-m", module], environment, port=port, core=core, ready_path=ready_path)


@contextmanager
def running_stack() -> Iterator[Stack]:
    with running_servers() as servers:
        yield _prepared(servers)


def _prepared(servers: Servers) -> Stack:
    environment = {
        **servers.environment,
        "BANK_API_KEY": secrets.token_urlsafe(24),
        "BANK_URL": f"http://127.0.0.1:{free_port()}",
        "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1",
    }
    api_key = f"sk_test_{secrets.token_hex(16)}"
    stack = Stack(servers.postgres, servers.databases, environment, api_key)
    return replace(stack, environment={**environment, "DATABASE_URL": stack.database()})


async def _open_account(dsn: str, api_key: str) -> None:
    conn = await asyncpg.connect(dsn, timeout=30)
    now = datetime.now(UTC)
    try:
        await conn.execute(
            "INSERT INTO accounts (id, name, rate_per_s, burst, created_at) VALUES ($1, 'bench', $2, $3, $4)",
            ACCOUNT,
            RATE_PER_S,
            int(RATE_PER_S),
            now,
        )
        await conn.execute(
            "INSERT INTO api_keys (key_sha256, account_id, created_at) VALUES ($1, $2, $3)",
            hash_key(api_key),
            ACCOUNT,
            now,
        )
    finally:
        await conn.close(timeout=30)
