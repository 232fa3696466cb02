"""Serves Grafana's dashboards as a live page without Grafana: python infra/dashboards/serve.py."""

import argparse
import dataclasses
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.dashboards import traces

ROOT = Path(__file__).resolve().parents[2]
STATIC = Path(__file__).resolve().parent / "static"
DASHBOARDS = ROOT / "infra" / "grafana" / "provisioning" / "dashboards"

# Overviews first; a dashboard that is not named here comes after them.
ORDER = (
    "shortener-overview",
    "shortener-internals",
    "payments-overview",
    "payments-internals",
    "orders",
    "metrics-ingest",
    "events",
    "runtime",
    "slo",
)
# What the page asks of Prometheus. Nothing else of it is reachable from here, its admin API least of all.
PROXIED = re.compile(r"(query|query_range|query_exemplars|alerts|rules|label/[a-zA-Z_][a-zA-Z0-9_]*/values)")
TRACE_ID = re.compile(r"[0-9a-f]{32}")
PROMETHEUS_TIMEOUT_S = 15.0
QUERY_CHARS_MAX = 20_000
HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
]


class SecurityHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self.app(scope, receive, add)


def load_dashboards(folder: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    rank = {uid: index for index, uid in enumerate(ORDER)}
    found.sort(key=lambda one: (rank.get(one["uid"], len(rank)), one["title"]))
    return {one["uid"]: one for one in found}


def problem(status: int, message: str) -> JSONResponse:
    """The shape of Prometheus' own errors, so that the page knows one kind."""
    return JSONResponse({"status": "error", "error": message}, status_code=status)


async def list_dashboards(request: Request) -> Response:
    names = ("uid", "title", "description")
    boards: dict[str, dict[str, Any]] = request.app.state.dashboards
    listed = [{name: one.get(name, "") for name in names} for one in boards.values()]
    return JSONResponse({"dashboards": listed})


async def show_dashboard(request: Request) -> Response:
    dashboard = request.app.state.dashboards.get(request.path_params["uid"])
    return JSONResponse(dashboard) if dashboard else problem(404, "There is no such dashboard.")


async def ask_prometheus(request: Request) -> Response:
    path = request.path_params["path"]
    if not PROXIED.fullmatch(path):
        return problem(404, "The page does not pass this on to Prometheus.")
    if len(request.url.query) > QUERY_CHARS_MAX:
        return problem(414, f"The query is longer than {QUERY_CHARS_MAX} characters.")
    client: httpx.AsyncClient = request.app.state.prometheus
    try:
        answer = await client.get(f"/api/v1/{path}", params=request.url.query)
    except httpx.TimeoutException:
        return problem(504, f"Prometheus at {client.base_url} took over {PROMETHEUS_TIMEOUT_S:.0f} s.")
    except httpx.TransportError:
        return problem(
            502, f"Prometheus does not answer at {client.base_url} (`make status` shows what runs)."
        )
    if "json" not in answer.headers.get("content-type", ""):
        return problem(502, f"What answers at {client.base_url} is not Prometheus.")
    return Response(answer.content, answer.status_code, media_type="application/json")


async def list_traces(request: Request) -> Response:
    listed = await run_in_threadpool(traces.latest, request.app.state.traces)
    return JSONResponse({"traces": [dataclasses.asdict(one) for one in listed]})


async def show_trace(request: Request) -> Response:
    trace_id = request.path_params["id"].lower()
    if not TRACE_ID.fullmatch(trace_id):
        return problem(404, "A trace id has 32 hexadecimal digits.")
    spans = await run_in_threadpool(traces.find, request.app.state.traces, trace_id)
    if not spans:
        return problem(404, f"No span of trace {trace_id} is kept; its process may not have written it yet.")
    rows = [{"depth": depth, **dataclasses.asdict(span)} for depth, span in traces.waterfall(spans)]
    return JSONResponse({"spans": rows})


async def show_page(_request: Request) -> Response:
    return FileResponse(STATIC / "index.html")


def create_app(
    *, prometheus_url: str, traces_folder: Path, dashboards_folder: Path = DASHBOARDS
) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # trust_env: a proxy meant for the outside must not stand before a server of this machine.
        async with httpx.AsyncClient(
            base_url=prometheus_url, timeout=PROMETHEUS_TIMEOUT_S, trust_env=False
        ) as client:
            app.state.prometheus = client
            yield

    app = Starlette(
        routes=[
            Route("/api/dashboards", list_dashboards),
            Route("/api/dashboards/{uid}", show_dashboard),
            Route("/api/traces", list_traces),
            Route("/api/traces/{id}", show_trace),
            Route("/api/v1/{path:path}", ask_prometheus),
            Mount("/static", StaticFiles(directory=STATIC)),
            *(Route(path, show_page) for path in ("/", "/d/{uid}", "/traces", "/trace/{id}", "/alerts")),
        ],
        middleware=[Middleware(SecurityHeaders)],
        lifespan=lifespan,
    )
    app.state.dashboards = load_dashboards(dashboards_folder)
    app.state.traces = traces_folder
    return app


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, or an end with a word on how to choose another port."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        why = os.strerror(error.errno or 0)
        sys.exit(f"{host}:{port} cannot be used ({why}). Choose another: DASHBOARDS_PORT=...")


def main() -> None:
    environment = os.environ
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(environment.get("DASHBOARDS_PORT") or 8090))
    local = f"http://127.0.0.1:{environment.get('PROMETHEUS_PORT') or 19090}"
    parser.add_argument(
        "--prometheus", default=environment.get("PROMETHEUS_URL") or local, help="its address"
    )
    default = Path(environment.get("RUN_DIR") or ROOT / ".run") / "data" / "traces"
    parser.add_argument("--traces", type=Path, default=default, help="folder of the trace files")
    options = parser.parse_args()
    app = create_app(prometheus_url=options.prometheus, traces_folder=options.traces)
    with listen(options.host, options.port) as opened:
        address = f"http://{options.host}:{opened.getsockname()[1]}"
        print(f"Dashboards: {address}  (Prometheus: {options.prometheus})", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[opened])


if __name__ == "__main__":
    main()
