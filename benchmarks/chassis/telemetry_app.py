"""A trivial route behind the chassis' whole edge: span, metrics, access log, shedding, deadline."""

import os
from pathlib import Path

from chassis.app import create_app
from chassis.server import serve
from chassis.settings import ChassisSettings


def main() -> None:
    """TRACE_SAMPLE_RATIO decides how many requests are traced."""
    settings = ChassisSettings(
        service_name="bench",
        http_port=int(os.environ["HTTP_PORT"]),
        trace_file=Path(os.environ["TRACE_FILE"]),
        drain_s=0.1,
    )
    app = create_app(settings, title="bench", version="1")

    @app.get("/ping")
    async def ping() -> dict[str, str]:
        return {"answer": "pong"}

    serve(app, settings, health=app.state.health)


if __name__ == "__main__":
    main()
