"""Programs that other people wrote, sending metrics by remote write: Debian's Prometheus, vmagent."""

import math
import re
import urllib.request
from pathlib import Path

import httpx
import yaml

from tests.support.eventually import eventually
from tests.support.metrics_stack import EVERYTHING, Account, Samples, samples_of
from tests.support.processes import TIMEOUT_S
from tests.support.servers import Server


async def arrives(account: Account, held: Samples, at_s: float) -> None:
    """All of it, no more and no less; the store keeps 12 digits of what is no whole number."""

    async def difference() -> list[str]:
        ours = await account.held(at_s)
        return [
            f"{dict(labels)}: {ours.get(labels)}, not {samples}"
            for labels, samples in held.items()
            if not _same(samples, ours.get(labels, {}))
        ] + [f"nobody sent {dict(labels)}" for labels in ours.keys() - held.keys()]

    await eventually(difference, timeout_s=TIMEOUT_S, interval_s=0.3, accept=lambda left: not left)


def _same(sent: dict[int, float], ours: dict[int, float]) -> bool:
    return sent.keys() == ours.keys() and all(
        math.isclose(value, ours[at_ms], rel_tol=1e-11) for at_ms, value in sent.items()
    )


class Sender(Server):
    """Sends to `url` with a tenant's key."""

    def __init__(self, folder: Path, *, url: str, key: str) -> None:
        super().__init__(folder)
        self._url, self._key = url, key

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.address + self.ready_path, timeout=1) as answer:  # noqa: S310 our own
                return bool(answer.status == httpx.codes.OK)
        except OSError:
            return False

    ready_path = "/-/ready"

    async def metric(self, name: str) -> float:
        """The sum over all series of that name on its own page."""
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            page = (await client.get(self.address + "/metrics")).text
        values = re.findall(rf"^{name}(?:{{.*}})? (\S+)", page, re.MULTILINE)
        assert values, f"no {name}"
        return sum(map(float, values))


class Prometheus(Sender):
    """It scrapes `targets` (host:port) and itself each second; remote write is at its defaults."""

    def __init__(self, folder: Path, *, url: str, key: str, targets: list[str]) -> None:
        super().__init__(folder, url=url, key=key)
        self._targets = targets

    def _prepare(self) -> None:
        jobs = {"self": [f"127.0.0.1:{self.port}"], "targets": self._targets}
        config = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": targets}]} for job, targets in jobs.items()
            ],
            "remote_write": [
                {"url": f"{self._url}/api/v1/write", "authorization": {"credentials": self._key}}
            ],
        }
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def _command(self) -> list[str]:
        return [
            "/usr/bin/prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
        ]

    async def held(self, at_s: float) -> Samples:
        """Every sample that it holds itself up to then."""
        parameters = {"query": EVERYTHING, "time": f"{at_s:.3f}"}
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            answer = await client.get(self.address + "/api/v1/query", params=parameters)
        return samples_of(answer.json())


class Vmagent(Sender):
    """Takes lines at /api/v1/import/prometheus and sends them on; buffers and batches at its defaults."""

    ready_path = "/health"

    def _prepare(self) -> None:
        (self.folder / "key").write_text(self._key)

    def _command(self) -> list[str]:
        return [
            "/usr/bin/vmagent",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            f"-remoteWrite.url={self._url}/api/v1/write",
            f"-remoteWrite.bearerTokenFile={self.folder / 'key'}",
            f"-remoteWrite.tmpDataPath={self.folder / 'data'}",
            "-loggerLevel=WARN",
        ]
