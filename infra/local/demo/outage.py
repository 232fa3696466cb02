"""The store and the writer die under load: every point that was acknowledged is there, once."""

import asyncio
import json
import os
import signal
import subprocess
import time
from http import HTTPStatus
from typing import Any

from infra.local import paths
from infra.local.demo import traffic
from infra.local.demo.metrics import HINT, SERIES, Meters, PointStory, heads
from infra.local.errors import LocalError

BATCHES = 40
EVERY_S = 0.1
# Wider than the points of a run lie apart, and narrower than two runs.
AROUND_S = 10
# After so many batches.
DEATHS = {8: "victoriametrics", 20: "metrics-writer", 28: "victoriametrics"}
TRIES_MAX = 50
COMMAND_TIMEOUT_S = 90.0
RESTART_TIMEOUT_S = 20.0
_RUN = str(paths.INFRA / "local" / "run")


async def survive(meters: Meters, story: PointStory) -> None:
    """One number a point, from 1 up: count and sum tell a lost one, and one that was stored twice."""
    series = heads("demo_outage")
    kills = []
    repeats = 0
    started_ms = int(time.time() * 1000)
    for number in range(BATCHES):
        if number in DEATHS:
            kills.append(asyncio.create_task(asyncio.to_thread(kill, DEATHS[number])))
        values = [float(number * SERIES + one + 1) for one in range(SERIES)]
        # Each batch at a time of its own, however late it leaves.
        at_ms = started_ms + int(number * EVERY_S * 1000)
        repeats += await _write(meters, series, values, at_ms)
        await asyncio.sleep(max(0.0, at_ms / 1000 + EVERY_S - time.time()))
    await asyncio.gather(*kills)
    points = BATCHES * SERIES
    story.accepted += points
    story.check(
        "senders are acknowledged while the store and the writer are killed (-9)",
        repeats == 0,
        f"{BATCHES} batches, {len(DEATHS)} kills, {repeats} sent again",
    )
    await _add_up(meters, story, points, started_ms / 1000)


async def _write(meters: Meters, series: list[bytes], values: list[float], at_ms: int) -> int:
    """As any sender does: the same again until it is acknowledged. How often that was."""
    for again in range(TRIES_MAX):
        answer = await meters.write(series, values, at_ms)
        if answer.status_code == HTTPStatus.NO_CONTENT:
            return again
        if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            break
        await asyncio.sleep(traffic.POLL_S)
    raise LocalError(f"a batch is not acknowledged: {answer.status_code} {answer.text[:200]}", hint=HINT)


async def _add_up(meters: Meters, story: PointStory, points: int, started_s: float) -> None:
    account = await _account(meters, story)
    wanted = (points, points * (points + 1) // 2)
    # The points of this run lie in the first four seconds of the window's second half.
    at = f"{started_s + AROUND_S / 2:.3f}"

    async def look() -> tuple[int, int] | None:
        """Durable is not yet visible: a store that has just come back loads its index first."""
        count = await meters.ask(f"sum(count_over_time(demo_outage[{AROUND_S}s]))", time=at)
        total = await meters.ask(f"sum(sum_over_time(demo_outage[{AROUND_S}s]))", time=at)
        found = tuple(int(float(one["value"][1])) for one in (*count, *total))
        return found if found == wanted else None

    try:
        seen = str(await traffic.eventually("the exact sum", look, hint=HINT))
        exact = True
    except LocalError as error:
        seen, exact = str(error), False
    story.check(f"{points:,} points are there once each: count and sum", exact, seen)
    balance(story, account)


async def _account(meters: Meters, story: PointStory) -> dict[str, Any]:
    try:
        return await meters.settled(story.before["received"] + story.accepted + story.refused)
    except LocalError:
        # Not what it should be: the report shows what it is.
        return await meters.account()


def balance(story: PointStory, account: dict[str, Any]) -> None:
    before = _sums(story.before)
    more = {name: points - before[name] for name, points in _sums(account).items()}
    dead = 1  # the NaN
    wanted = {
        "received": story.accepted + story.refused,
        "accepted": story.accepted,
        "rejected": story.refused,
        "stored": story.accepted - dead,
        "dead": dead,
        "residue": 0,
    }
    seen = ", ".join(f"{name} {points:,}" for name, points in more.items())
    story.check("the ledger accounts for every point, and nothing is left over", more == wanted, seen)


def _sums(account: dict[str, Any]) -> dict[str, int]:
    """Points by account, whatever the reasons."""
    names = ("received", "accepted", "rejected", "stored", "dead", "residue")
    found = {name: account[name] for name in names}
    return {name: sum(one.values()) if isinstance(one, dict) else one for name, one in found.items()}


def kill(name: str) -> None:
    """SIGKILL, and it is started again: by the supervisor, or where Docker has none, by us."""
    if os.environ.get("RUNTIME") == "docker":
        from infra.docker import engine

        engine.compose("kill", "--signal", "SIGKILL", name)
        _command("up", SERVICE=name)
        return
    os.kill(_pid(name), signal.SIGKILL)


def _pid(name: str) -> int:
    """It may still be on its way back from the last time."""
    deadline = time.monotonic() + RESTART_TIMEOUT_S
    while time.monotonic() < deadline:
        rows = json.loads(_command("status", FORMAT="json"))
        pid = next((row["pid"] for row in rows if row["name"] == name), None)
        if pid is not None:
            return int(pid)
        time.sleep(traffic.POLL_S)
    raise LocalError(f"{name} does not run", hint="make status")


def _command(verb: str, **variables: str) -> str:
    done = subprocess.run(
        [_RUN, verb],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_TIMEOUT_S,
    )
    if done.returncode != 0:
        raise LocalError(f"{verb} failed: {done.stderr.strip()}", hint="make status")
    return done.stdout
