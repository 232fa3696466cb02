"""What the demo expects of those that watch: Prometheus sees every process."""

import asyncio
import time
from typing import Any

import httpx

from infra.local.demo.story import Story

TARGETS_TIMEOUT_S = 20.0


async def scraped(prometheus_url: str, story: Story) -> None:
    """Prometheus sees every process that it should."""
    deadline = time.monotonic() + TARGETS_TIMEOUT_S
    async with httpx.AsyncClient(base_url=prometheus_url, timeout=5, trust_env=False) as http:
        while True:
            targets = await _targets(http)
            healthy = sum(target["health"] == "up" for target in targets)
            if (targets and healthy == len(targets)) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
    down = [target["labels"].get("instance", "?") for target in targets if target["health"] != "up"]
    note = f"; not yet: {', '.join(down)}" if down else ""
    story.check(
        "Prometheus scrapes every target", bool(targets) and not down, f"{healthy} of {len(targets)}{note}"
    )


async def _targets(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    try:
        answer = await http.get("/api/v1/targets", params={"state": "active"})
        found: list[dict[str, Any]] = answer.json()["data"]["activeTargets"]
    except (httpx.HTTPError, ValueError, KeyError):
        return []
    return found
