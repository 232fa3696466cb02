"""The Docker runtime, proved: each step prints what it saw, the first that fails ends the run."""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from infra.docker import engine, stack
from infra.docker.smoke_metrics import Meters
from infra.docker.smoke_orders import Shop
from infra.docker.smoke_payments import Money
from infra.docker.smoke_tools import (
    SmokeError,
    eventually,
    expect,
    exported,
    get,
    output,
    runtime,
    status,
)
from infra.docker.traffic import Crowd, Shortener
from infra.local import catalog

FIRST_PORT = int(os.environ.get("SMOKE_PORT") or 28000)
PORTS = {
    "POSTGRES_PORT": 1,
    "REDIS_PORT": 2,
    "KAFKA_PORT": 3,
    "KAFKA_CONTROLLER_PORT": 4,
    "PROMETHEUS_PORT": 5,
    "ALERTMANAGER_PORT": 6,
    "GRAFANA_PORT": 7,
    "TEMPO_PORT": 8,
    "VICTORIAMETRICS_PORT": 9,
    "SHORTENER_PORT": 10,
    "SHORTENER_WORKER_PORT": 30,
    "PAYMENTS_PORT": 40,
    "PAYMENTS_WORKER_PORT": 60,
    "BANK_PORT": 70,
    "ORDERS_PORT": 80,
    "ORDERS_WORKER_PORT": 100,
    "INVENTORY_PORT": 110,
    "INVENTORY_WORKER_PORT": 130,
    "NOTIFICATIONS_WORKER_PORT": 140,
    "MAILCATCHER_PORT": 160,
    "SMTP_PORT": 161,
    "METRICS_PORT": 180,
    "STATSD_PORT": 190,
    "METRICS_WRITER_PORT": 200,
}
LINKS = 20
TRAFFIC_S = 8.0
REPLICAS = 2
KEPT = bool(os.environ.get("KEEP"))


class Smoke:
    def __init__(self) -> None:
        self.environment: dict[str, str] = {}
        self.links: list[dict[str, Any]] = []
        self.visits = 0

    # --- steps

    def build_and_start(self) -> str:
        runtime("up")
        self.environment |= exported()
        rows = status()
        expect({row["state"] for row in rows} == {"running"}, f"not all run: {rows}")
        return f"{len(rows)} processes ready: {' '.join(row['name'] for row in rows)}"

    def confined(self) -> str:
        """What the engine was really told, whatever docker-compose.yml says."""
        anonymous = re.compile(r"[0-9a-f]{64}")
        ids = [c.id for c in engine.containers()]
        inspected = json.loads(output("docker", "inspect", *ids))
        for entry in inspected:
            host, name = entry["HostConfig"], entry["Name"]
            expect(host["ReadonlyRootfs"], f"{name} can write to its root")
            expect(host["CapDrop"] == ["ALL"] and not host["CapAdd"], f"{name} keeps capabilities")
            expect(entry["Config"]["User"].split(":")[0] not in {"", "0", "root"}, f"{name} runs as root")
            unnamed = [m["Destination"] for m in entry["Mounts"] if anonymous.fullmatch(m.get("Name", ""))]
            expect(not unnamed, f"{name} keeps data where `clean` does not look: {unnamed}")
            expect(host["Memory"] > 0 and host["PidsLimit"] > 0, f"{name} is not bounded")
        return f"{len(inspected)} containers: read-only, no capability, not root, bounded"

    def traffic(self) -> str:
        shortener = self._shortener()
        self.links = [shortener.create(f"https://example.com/{n}") for n in range(LINKS)]
        with self._crowd() as crowd:
            time.sleep(TRAFFIC_S)
        return self._unharmed(crowd)

    def targets_up(self) -> str:
        found = eventually(lambda: self._targets(at_least=1))
        return " ".join(f"{job}={len(instances)}" for job, instances in sorted(found.items()))

    def rules_evaluated(self) -> str:
        def evaluated() -> int:
            groups = self._prometheus("rules", {})["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            expect(bool(rules), "no rules are loaded")
            broken = [rule["name"] for rule in rules if rule["health"] == "err"]
            expect(not broken, f"rules fail: {broken}")
            return len(rules)

        count = eventually(evaluated)
        query = {"query": 'sum(http_server_request_duration_seconds_count{route="/{slug}"})'}
        seen = eventually(lambda: int(self._prometheus("query", query)["result"][0]["value"][1]))
        return f"{count} rules without error; {seen} redirects in the metrics"

    def rolling_restart(self) -> str:
        runtime("scale", "SERVICE=shortener", f"N={REPLICAS}")
        with self._crowd() as crowd:
            runtime("restart", "SERVICE=shortener")
        return f"{REPLICAS} replicas restarted one by one: {self._unharmed(crowd)}"

    def replicas_discovered(self) -> str:
        if "PROMETHEUS_URL" not in self.environment:
            return "skipped: PROFILES leaves Prometheus out"
        eventually(lambda: self._targets(at_least=REPLICAS))
        return f"Prometheus found {REPLICAS} replicas by their service's name"

    def redis_restart(self) -> str:
        with self._crowd() as crowd:
            runtime("restart", "SERVICE=redis")
        return f"Redis away and back: {self._unharmed(crowd)}"

    def listener_restart(self) -> str:
        """Its holder comes back with another public socket: the replicas must notice and take that one."""
        at = time.monotonic()
        runtime("restart", f"SERVICE=shortener{stack.LISTENER}")
        path = f"/{self.links[0]['slug']}"
        eventually(lambda: expect(Crowd(self.environment["SHORTENER_URL"], [path]).once(), "not served"))
        return f"public socket lost and opened anew: served again after {time.monotonic() - at:.1f} s"

    def clicks_counted(self) -> str:
        """SIGTERM loses no click: every redirect that was answered is in the statistics, restarts or not."""
        shortener = self._shortener()

        def counted() -> int:
            clicks = sum(shortener.stats(link["id"])["clicks"] for link in self.links)
            expect(clicks == self.visits, f"{clicks} clicks counted of {self.visits} visits")
            return int(clicks)

        return f"{eventually(counted)} clicks counted, one for each visit"

    def grafana(self) -> str:
        if "GRAFANA_URL" not in self.environment:
            return "skipped: its image is not here (see `left out` above)"
        url = self.environment["GRAFANA_URL"]
        found = eventually(lambda: [d["title"] for d in get(f"{url}/api/search?type=dash-db")])
        expect(bool(found), "no dashboard is provisioned")
        return f"dashboards: {', '.join(found)}"

    def tempo(self) -> str:
        if "TEMPO_URL" not in self.environment:
            return "skipped: its image is not here (see `left out` above)"
        url = self.environment["TEMPO_URL"]
        found = eventually(lambda: get(f"{url}/api/search?limit=1")["traces"][0]["traceID"])
        return f"a trace arrived: {found}"

    def stop(self) -> str:
        runtime("stop")
        expect(not engine.containers(), "containers are left")
        named = f"label=com.docker.compose.project={engine.PROJECT}"
        networks = output("docker", "network", "ls", "--quiet", "--filter", named)
        expect(not networks, f"networks are left: {networks.split()}")
        return "no container and no network is left"

    # --- helpers

    def _shortener(self) -> Shortener:
        return Shortener(self.environment["SHORTENER_URL"], self.environment["SHORTENER_API_KEY"])

    def _crowd(self) -> Crowd:
        return Crowd(self.environment["SHORTENER_URL"], [f"/{link['slug']}" for link in self.links])

    def _unharmed(self, crowd: Crowd) -> str:
        self.visits += crowd.tally.served
        expect(not crowd.tally.failed, f"requests failed: {dict(crowd.tally.failed)}")
        expect(crowd.tally.served > 0, "nobody was served")
        return str(crowd.tally)

    def _targets(self, *, at_least: int) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for target in self._prometheus("targets", {"state": "active"})["activeTargets"]:
            labels = target["labels"]
            expect(target["health"] == "up", f"{labels} is {target['health']}: {target['lastError']}")
            found.setdefault(labels["job"], []).append(labels["instance"])
        wanted = dict.fromkeys(
            ("prometheus", "alertmanager", "victoriametrics", *(p.name for p in catalog.SERVICES)), 1
        )
        wanted["shortener"] = at_least
        missing = {job: n for job, n in wanted.items() if len(found.get(job, [])) < n}
        expect(not missing, f"targets are missing: {missing}, there are {found}")
        return found

    def _prometheus(self, path: str, parameters: dict[str, str]) -> Any:
        return get(f"{self.environment['PROMETHEUS_URL']}/api/v1/{path}?{urlencode(parameters)}")["data"]


def steps(smoke: Smoke) -> list[Callable[[], str]]:
    money, shop, meters = Money(smoke.environment), Shop(smoke.environment), Meters(smoke.environment)
    core = [smoke.build_and_start, smoke.confined, smoke.traffic]
    watched = [smoke.targets_up, smoke.rules_evaluated, smoke.grafana, smoke.tempo]
    through = [smoke.rolling_restart, smoke.replicas_discovered, smoke.redis_restart]
    is_watched = "observability" in (os.environ.get("PROFILES") or "observability")
    return [
        *core,
        *(watched if is_watched else []),
        *through,
        smoke.clicks_counted,
        smoke.listener_restart,
        money.charges,
        money.rolling_restart,
        money.bank_restart,
        money.webhooks,
        money.proof,
        shop.orders,
        shop.worker_restart,
        shop.kafka_restart,
        shop.mails,
        shop.reconcile,
        meters.writer_restart,
        meters.store_restart,
        meters.packets,
        meters.own_metrics,
        meters.ledger,
        *([] if KEPT else [smoke.stop]),
    ]


@contextmanager
def cleaned() -> Iterator[None]:
    """Whatever happened, no container, network or volume stays; unless KEEP asks for it."""
    try:
        yield
    finally:
        if KEPT:
            print(f"kept: COMPOSE_PROJECT_NAME={engine.PROJECT} infra/docker/runtime status")
        else:
            runtime("clean")


def main() -> int:
    engine.require()
    os.environ.update({name: str(FIRST_PORT + offset) for name, offset in PORTS.items()})
    print(output("docker", "version", "--format", "engine {{.Server.Version}}").strip())
    began = time.monotonic()
    lines: list[str] = []
    try:
        with cleaned():
            for step in steps(Smoke()):
                at = time.monotonic()
                name = step.__qualname__.lower()
                print(f"--- {name}", flush=True)
                saw = step()
                lines.append(f"ok   {name:<24} {time.monotonic() - at:6.1f} s  {saw}")
                print(lines[-1], flush=True)
    except (SmokeError, OSError, RuntimeError, KeyboardInterrupt) as error:
        lines.append(f"FAIL {error or type(error).__name__}")
    verdict = "FAILED" if lines[-1].startswith("FAIL") else "passed"
    print("\n".join(["", *lines, f"smoke test {verdict} in {time.monotonic() - began:.0f} s"]))
    return 0 if verdict == "passed" else 1


if __name__ == "__main__":
    sys.exit(main())
