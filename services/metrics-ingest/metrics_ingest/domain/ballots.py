"""The judgement of a slow protocol's points: each is accepted whole, and encoded, or refused."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from metrics_ingest.domain import chunks, labels, samples, verdict, wire
from metrics_ingest.domain.known import UNKNOWN, Known, reason_of
from metrics_ingest.domain.labels import Identity
from metrics_ingest.domain.points import Point, Refused, Sample
from metrics_ingest.domain.samples import Window
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.domain.verdict import Payload

# Of uncompressed bytes in one record: snappy's worst case adds a sixth.
_EXPANSION = 7 / 6
_EXPANSION_BYTES = 64


@dataclass(slots=True)
class _Ballot:
    index: int
    elements: list[bytes] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    nan: bool = False
    reason: str | None = None


class Ballots:
    """`advance` over all points, answer for `pending` by `refuse`, then `payloads`."""

    def __init__(self, tenant: Tenant, window: Window, *, now_ms: int) -> None:
        self.pending: dict[bytes, Identity] = {}
        self._waiting: dict[bytes, list[_Ballot]] = {}
        self._tenant = tenant
        self._window = window
        self._now_ms = now_ms
        self._ballots: list[_Ballot] = []

    def advance(self, known: Known, points: Sequence[Point | Refused]) -> None:
        for point in points:
            ballot = _Ballot(point.index)
            self._ballots.append(ballot)
            if isinstance(point, Refused):
                ballot.reason = point.reason
            else:
                self._vote(ballot, point, known)

    def identities(self) -> dict[bytes, Identity]:
        return self.pending

    def refuse(self, form: bytes, reason: str) -> None:
        for ballot in self._waiting[form]:
            ballot.reason = ballot.reason or reason

    def settle(self) -> verdict.Verdict:
        """Without payloads, which take longer: see `payloads`."""
        refused = [ballot for ballot in self._ballots if ballot.reason is not None]
        accepted = [ballot for ballot in self._ballots if ballot.reason is None]
        dead = sum(ballot.nan for ballot in accepted)
        return verdict.Verdict(
            received=len(self._ballots),
            accepted=len(accepted),
            samples=sum(len(ballot.elements) for ballot in accepted),
            rejected=Counter(ballot.reason for ballot in refused if ballot.reason),
            items=[(ballot.index, ballot.reason) for ballot in refused if ballot.reason],
            dead=Counter({verdict.NAN: dead} if dead else {}),
        )

    def payloads(self, record_bytes_max: int) -> list[Payload]:
        """Points are never divided between records."""
        return list(self._pack(int((record_bytes_max - _EXPANSION_BYTES) / _EXPANSION)))

    def _pack(self, bytes_max: int) -> Iterator[Payload]:
        batch: list[_Ballot] = []
        size = 0
        for ballot in self._ballots:
            if ballot.reason is not None:
                continue
            more = sum(map(len, ballot.elements))
            if batch and size + more > bytes_max:
                yield _payload(batch)
                batch, size = [], 0
            batch.append(ballot)
            size += more
        if batch:
            yield _payload(batch)

    def _vote(self, ballot: _Ballot, point: Point, known: Known) -> None:
        if not point.series:
            ballot.reason = verdict.NO_SAMPLES
            return
        fresh: list[tuple[bytes, Identity]] = []
        for sample in point.series:
            ballot.reason = self._vote_on(ballot, sample, known, fresh)
            if ballot.reason is not None:
                return
        ballot.nan = all(
            sample.value != sample.value and not _is_stale(sample.value) for sample in point.series
        )
        known.mark_all(ballot.slots, self._now_ms // 1000)
        for form, identity in fresh:
            self.pending.setdefault(form, identity)
            self._waiting.setdefault(form, []).append(ballot)

    def _vote_on(
        self, ballot: _Ballot, sample: Sample, known: Known, fresh: list[tuple[bytes, Identity]]
    ) -> str | None:
        timestamp_ms = self._now_ms if sample.timestamp_ms is None else sample.timestamp_ms
        if timestamp_ms < self._window.oldest_ms:
            return verdict.TOO_OLD
        if timestamp_ms > self._window.newest_ms:
            return verdict.TOO_FAR_IN_FUTURE
        try:
            pairs = sorted([(name.encode(), value.encode()) for name, value in sample.labels])
        except UnicodeEncodeError:
            return verdict.INVALID_UTF8
        form = wire.put_labels(pairs)
        slot = known.forms.get(form)
        if slot is None:
            identity = labels.judge_pairs(pairs, self._tenant)
            if isinstance(identity, str):
                slot = known.refuse(form, identity)
            else:
                slot = known.slots.get(identity.hash, UNKNOWN)
                if slot == UNKNOWN:
                    fresh.append((form, identity))
                else:
                    known.learn(form, slot)
        if slot < UNKNOWN:
            return reason_of(slot)
        ballot.slots.append(slot)
        ballot.elements.append(wire.put_series(form, wire.put_sample(timestamp_ms, sample.value)))
        return None


def _is_stale(value: float) -> bool:
    return wire.bits_of(value) == samples.STALE_MARKER_BITS


def _payload(batch: list[_Ballot]) -> Payload:
    return chunks.payload(
        b"".join([element for ballot in batch for element in ballot.elements]),
        accepted=len(batch),
        samples_count=sum(len(ballot.elements) for ballot in batch),
        dead=sum(ballot.nan for ballot in batch),
    )
