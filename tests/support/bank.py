"""The bank on a port of its own in this process and loop: the wire is real, and so are its faults."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from bank.app import create_bank, with_faults
from bank.domain.faults import Fault, FaultKind
from bank.settings import BankSettings
from fastapi import FastAPI
from pydantic import SecretStr

BANK_KEY = "bank-key-of-the-tests"
ADMIN_KEY = "admin-key-of-the-tests-0123456789"


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: they are pytest's."""
        yield


@dataclass
class ListeningBank:
    app: FastAPI
    url: str

    @contextmanager
    def failing(self, kind: str, **how: Any) -> Iterator[None]:
        """Every capture, refund, void and authorisation meets this fault within."""
        self.app.state.switch.fault = Fault(FaultKind(kind), **how)
        try:
            yield
        finally:
            self.app.state.switch.fault = None


@asynccontextmanager
async def listening_bank(dsn: str) -> AsyncIterator[ListeningBank]:
    settings = BankSettings(
        database_url=dsn,
        bank_api_key=SecretStr(BANK_KEY),
        admin_api_key=SecretStr(ADMIN_KEY),
        database_timeout_s=30.0,
        access_log="errors",
        trace_sample_ratio=0.0,
    )
    app = create_bank(settings)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = _Server(uvicorn.Config(with_faults(app), lifespan="off", http="httptools", log_level="error"))
    async with app.router.lifespan_context(app):
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield ListeningBank(app, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            await serving
            listener.close()
