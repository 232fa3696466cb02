"""A small service on the chassis, run as a process of its own by the tests of shutting down."""

import asyncio
import sys

from chassis.app import create_app
from chassis.health import Health
from chassis.server import StopSignal, serve, serve_worker
from chassis.settings import ChassisSettings


def http(settings: ChassisSettings) -> None:
    health = Health()
    app = create_app(settings, title="served", version="1", health=health)

    @app.get("/fast")
    async def fast() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/slow")
    async def slow(seconds: float) -> dict[str, bool]:
        await asyncio.sleep(seconds)
        return {"ok": True}

    serve(app, settings, health=health)


async def patient(stop: StopSignal) -> None:
    await stop.wait()
    await asyncio.sleep(0.3)
    sys.stderr.write("drained\n")


async def hanging(stop: StopSignal) -> None:
    await stop.wait()
    await asyncio.sleep(60)


async def failing(stop: StopSignal) -> None:
    await stop.sleep(0.1)
    raise LookupError("made to fail")


if __name__ == "__main__":
    kind = sys.argv[1]
    if kind == "http":
        http(ChassisSettings())
    else:
        serve_worker(ChassisSettings(), {"patient": patient, "hanging": hanging, "failing": failing}[kind])
