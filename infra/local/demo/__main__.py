"""`make demo`: starts the stack, drives real traffic through it, reports, and leaves it running."""

import asyncio
import os
import shlex
import subprocess
import sys
import time

import uvloop

from infra.local import paths
from infra.local.demo import acts, report, traffic
from infra.local.errors import LocalError
from infra.local.progress import say, step

RUN = str(paths.INFRA / "local" / "run")
BROKEN = 1


def _addresses() -> dict[str, str]:
    done = subprocess.run([RUN, "env"], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise LocalError(done.stderr.strip().removeprefix("error: "))
    lines = (line.removeprefix("export ") for line in done.stdout.splitlines())
    pairs = (line.partition("=") for line in lines)
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


async def _drive(addresses: dict[str, str], recorder: traffic.Recorder) -> acts.Story:
    story = acts.Story()
    async with traffic.connect(
        addresses["SHORTENER_URL"], addresses["SHORTENER_API_KEY"], recorder
    ) as client:
        with step(f"{acts.LINKS} creates, {acts.REPLAYS} of them again, and a bulk of {acts.BULK_ROWS:,}"):
            await acts.create(client, story)
            await acts.bulk(client, story)
        with step(f"{acts.VISITS:,} redirects at {acts.VISITS_PER_S}/s"):
            await acts.redirect(client, story)
        with step("a link used up, a link disabled, a tenant past its rate"):
            await acts.use_up(client, story)
            await acts.disable(client, story)
            await acts.exceed(client, story, addresses["SHORTENER_API_KEY_LIMITED"])
        with step("statistics and Prometheus"):
            await acts.count(client, story)
            if "PROMETHEUS_URL" in addresses:
                await acts.scraped(addresses["PROMETHEUS_URL"], story)
    return story


def _demo() -> int:
    began = float(os.environ.get("DEMO_BEGAN") or time.time())
    times = {"set-up": time.time() - began}
    started = time.monotonic()
    if subprocess.run([RUN, "up"], check=False, env={**os.environ, "SERVICE": ""}).returncode != 0:
        return BROKEN
    times["start"] = time.monotonic() - started
    addresses = _addresses()
    say("driving traffic")
    started = time.monotonic()
    recorder = traffic.Recorder()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        story = runner.run(_drive(addresses, recorder))
    times["traffic"] = time.monotonic() - started
    print("\n" + report.render(recorder, story.checks, addresses, times), flush=True)
    broken = [check for check in story.checks if not check.held]
    if broken:
        say(f"\n{len(broken)} of {len(story.checks)} expectations did not hold; the stack runs on: make logs")
    return BROKEN if broken else 0


def main() -> int:
    try:
        return _demo()
    except LocalError as error:
        say(f"error: {error}")
        if error.hint:
            say(f"  next: {error.hint}")
        return BROKEN
    except KeyboardInterrupt:
        say("\ninterrupted; the stack is left running: make stop")
        return 130


if __name__ == "__main__":
    sys.exit(main())
