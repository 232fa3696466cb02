"""Receivers in front of the real judge, and a log that only remembers: what a request came to."""

from dataclasses import dataclass, field

from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.domain.verdict import Verdict
from metrics_ingest.usecases.judge import Judge

from tests.support.remote_write import read, unsnap
from tests.support.series_registry import judge

type_of_series = dict[str, list[tuple[int, float]]]


@dataclass
class Log:
    """Raises `error` instead, while there is one."""

    taken: list[tuple[Verdict, str]] = field(default_factory=list)
    error: Exception | None = None

    async def accept(self, _tenant: Tenant, verdict: Verdict, protocol: str) -> object:
        if self.error is not None:
            raise self.error
        self.taken.append((verdict, protocol))
        return None


@dataclass
class Res:
    judge: Judge = field(default_factory=judge)
    accepting: Log = field(default_factory=Log)

    @property
    def verdict(self) -> Verdict:
        """Of the last request."""
        return self.accepting.taken[-1][0]

    @property
    def stored(self) -> type_of_series:
        """Samples of all requests by series, written as in queries, labels in order."""
        found: type_of_series = {}
        for verdict, _ in self.accepting.taken:
            assert sum(payload.accepted for payload in verdict.payloads) == verdict.accepted
            assert sum(payload.samples for payload in verdict.payloads) == verdict.samples
            assert verdict.accepted + verdict.rejected.total() == verdict.received
            for payload in verdict.payloads:
                for labels, samples in read(unsnap(payload.compressed)):
                    found.setdefault(_text(labels), []).extend(samples)
        return found

    @property
    def values(self) -> dict[str, float]:
        """The last value of each series."""
        return {series: samples[-1][1] for series, samples in self.stored.items()}


def _text(labels: dict[bytes, bytes]) -> str:
    plain = {name.decode(): value.decode() for name, value in labels.items()}
    name = plain.pop("__name__")
    inner = ",".join(f'{key}="{value}"' for key, value in sorted(plain.items()))
    return f"{name}{{{inner}}}" if inner else name
