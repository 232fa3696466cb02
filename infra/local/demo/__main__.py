"""`make demo`: starts the stack, drives real traffic through it, reports, and leaves it running."""

import asyncio
import os
import shlex
import subprocess
import sys
import time

import uvloop

from infra.local import paths
from infra.local.demo import receiver, report, shortener, traffic, watching
from infra.local.demo.story import Check, Story
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


async def _follow_links(addresses: dict[str, str], recorder: traffic.Recorder) -> Story:
    story = shortener.LinkStory()
    url, key = addresses["SHORTENER_URL"], addresses["SHORTENER_API_KEY"]
    async with traffic.connect(url, key, recorder) as client:
        creates = f"{shortener.LINKS} creates, {shortener.REPLAYS} of them again"
        with step(f"{creates}, and a bulk of {shortener.BULK_ROWS:,}"):
            await shortener.create(client, story)
            await shortener.bulk(client, story)
        with step(f"{shortener.VISITS:,} redirects at {shortener.VISITS_PER_S}/s"):
            await shortener.redirect(client, story)
        with step("a link used up, a link disabled, a tenant past its rate"):
            await shortener.use_up(client, story)
            await shortener.disable(client, story)
            await shortener.exceed(client, story, addresses["SHORTENER_API_KEY_LIMITED"])
        with step("statistics"):
            await shortener.count(client, story)
    return story


async def _move_money(addresses: dict[str, str], recorder: traffic.Recorder) -> Story:
    # Half a second of import, after the stack is up and not before.
    from infra.local.demo import payments

    story = payments.ChargeStory()
    from_containers = os.environ.get("RUNTIME") == "docker"
    async with (
        payments.opened(addresses, recorder) as shop,
        receiver.receiving(from_containers=from_containers) as ear,
    ):
        with step(f"{payments.CHARGES} charges through the bank, {payments.REPEATS} of them again"):
            await payments.listen(shop, story, ear)
            await payments.charge(shop, story)
        with step("a decline, a lost reply, a partial refund"):
            await payments.decline(shop, story)
            await payments.lose_reply(shop, story)
            await payments.refund(shop, story)
        with step("webhooks and the proof of the ledger"):
            await payments.hear(shop, story, ear)
            await payments.prove(shop, story)
    return story


async def _keep_shop(addresses: dict[str, str], recorder: traffic.Recorder) -> Story:
    from infra.local.demo import letters, orders

    story = orders.OrderStory()
    async with orders.opened(addresses, recorder) as shop:
        with step(f"{orders.ORDERS} orders to their end, {orders.REPEATS} of them again"):
            await orders.stock(shop, story)
            await orders.sell(shop, story)
        with step("a declined card, the last units raced for, a cancel"):
            await orders.refuse(shop, story)
            await orders.cancel(shop, story)
        with step("a consumer that stumbles; a dead letter, its redrive and the mail"):
            await letters.stumble(shop, story)
            await letters.redrive(shop, story)
        with step("orders, money and stock against each other"):
            await orders.reconcile(shop, story)
    return story


async def _account_for_points(addresses: dict[str, str], recorder: traffic.Recorder) -> Story:
    from infra.local.demo import metrics, outage

    story = metrics.PointStory()
    async with metrics.opened(addresses, recorder) as meters:
        with step("points by seven protocols, and bad ones among them"):
            await metrics.send(meters, story)
            await metrics.refuse(meters, story)
            if "PROMETHEUS_URL" in addresses:
                await metrics.scraped(meters, story)
        points = outage.BATCHES * metrics.SERIES
        with step(f"{points:,} points while the store and the writer are killed"):
            await outage.survive(meters, story)
    return story


async def _drive(addresses: dict[str, str], recorder: traffic.Recorder) -> list[Check]:
    stories = [
        await _follow_links(addresses, recorder),
        await _move_money(addresses, recorder),
        await _keep_shop(addresses, recorder),
        await _account_for_points(addresses, recorder),
    ]
    if "PROMETHEUS_URL" in addresses:
        with step("Prometheus"):
            stories.append(Story())
            await watching.scraped(addresses["PROMETHEUS_URL"], stories[-1])
    return [check for story in stories for check in story.checks]


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
        checks = runner.run(_drive(addresses, recorder))
    times["traffic"] = time.monotonic() - started
    print("\n" + report.render(recorder, checks, addresses, times), flush=True)
    broken = [check for check in checks if not check.held]
    if broken:
        say(f"\n{len(broken)} of {len(checks)} expectations did not hold; the stack runs on: make logs")
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
