"""The receivers' own: a process on a real Postgres and Redis, the broker a list."""

from tests.integration.metrics_receivers.conftest import api, log, served, shared_dsn

__all__ = ["api", "log", "served", "shared_dsn"]
