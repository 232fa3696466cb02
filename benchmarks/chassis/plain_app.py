"""The same route on plain FastAPI: nothing observed, nothing guarded."""

from fastapi import FastAPI

app = FastAPI(title="bench", openapi_url=None)


@app.get("/ping")
async def ping() -> dict[str, str]:
    return {"answer": "pong"}
