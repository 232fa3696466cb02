"""The least that a create can be: a FastAPI route with one INSERT, on the chassis' uvicorn and settings."""

import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from chassis.server import serve
from chassis.settings import ChassisSettings
from fastapi import FastAPI, Request
from pydantic import BaseModel

POOL_SIZE = 10  # the chassis' own


class Draft(BaseModel):
    name: str
    email: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=POOL_SIZE, max_size=POOL_SIZE)
    await pool.execute(
        "CREATE TABLE IF NOT EXISTS bare_customers (id text PRIMARY KEY, name text, email text, at bigint)"
    )
    app.state.pool = pool
    yield
    await pool.close()


app = FastAPI(lifespan=lifespan)


@app.get("/healthz")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/v1/customers")
async def create(draft: Draft, request: Request) -> dict[str, Any]:
    row = (f"cus_{uuid.uuid4().hex}", draft.name, draft.email, int(time.time()))
    await request.app.state.pool.execute(
        "INSERT INTO bare_customers (id, name, email, at) VALUES ($1, $2, $3, $4)", *row
    )
    return dict(zip(("id", "name", "email", "created"), row, strict=True))


if __name__ == "__main__":
    serve(app, ChassisSettings(service_name="bare", http_port=int(os.environ["HTTP_PORT"]), drain_s=0.1))
