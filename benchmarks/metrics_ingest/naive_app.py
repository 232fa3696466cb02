"""Ingestion as it is usually shown: FastAPI, a pydantic model a point, a Kafka message a point.

Its one virtue is kept: it answers when the broker has acknowledged everything, as ours does.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from pydantic import BaseModel

TOPIC = "bench.naive-points.v1"


class Point(BaseModel):
    name: str
    labels: dict[str, str] = {}
    type: Literal["gauge", "counter"] = "gauge"
    value: float
    timestamp_ms: int


class Points(BaseModel):
    points: list[Point]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    producer = AIOKafkaProducer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP"],
        acks="all",
        enable_idempotence=True,
        max_batch_size=256 * 1024,
    )
    await producer.start()
    app.state.producer = producer
    yield
    await producer.stop()


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def readyz() -> dict[str, str]:
    return {"status": "ready"}


@app.post("/api/v1/points", status_code=202)
async def take(body: Points) -> dict[str, int]:
    producer = app.state.producer
    sent = [
        await producer.send(TOPIC, point.model_dump_json().encode(), key=point.name.encode())
        for point in body.points
    ]
    await asyncio.gather(*sent)
    return {"accepted": len(body.points)}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["HTTP_PORT"]), loop="uvloop", access_log=False)
