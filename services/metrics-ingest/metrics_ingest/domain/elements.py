"""One series of a request taken apart: what the hot loop's guess did not fit."""

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from metrics_ingest.domain import samples, verdict, wire
from metrics_ingest.domain.bodies import BodyMalformed
from metrics_ingest.domain.samples import Window

# Of one series, and only where times or fields have unusual forms; others come in any number.
UNUSUAL_SAMPLES_MAX = 50_000
_SERIES_FIELDS = frozenset((1, 2, 3, 4))
# The shapes of `samples`, and short runs of them; long ones are left to numpy.
_LONG = rb"\x12\x10\x09.{8}\x10[\x80-\xff]{5}[\x00-\x7f]"
_EITHER = rb"\x12(?:\x10\x09.{8}|\x07)\x10[\x80-\xff]{5}[\x00-\x7f]"
_SAMPLE = re.compile(_EITHER, re.DOTALL)
_LONG_RUN = re.compile(rb"(?:" + _LONG + rb")+", re.DOTALL)
_RUN = re.compile(rb"(?:" + _EITHER + rb")+", re.DOTALL)
_SHORT_RUN_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Run:
    """Samples of the usual shapes and nothing else: where each ends, and which ones are zeros."""

    start: int
    stop: int
    ends: NDArray[np.int64]
    zeros: NDArray[np.bool_]


@dataclass(slots=True)
class Element:
    """Label fields joined; the samples as a run, or as (start of field, content, end) each.

    `plain`: one sample of the shape that `samples.check` looks at, and nothing else to know of it.
    """

    form: bytes
    run: Run | None = None
    samples: list[tuple[int, int, int]] = field(default_factory=list)
    histograms: int = 0
    plain: bool = False
    zero: bool = False
    # Its labels are in another order than they came in: it cannot travel on as it is.
    reordered: bool = False

    @property
    def count(self) -> int:
        return len(self.samples) if self.run is None else len(self.run.ends)


@dataclass(slots=True)
class Outcome:
    """Of one series' samples: how many came, are accepted, and dead; `kept` if they are not all of them."""

    received: int
    accepted: int
    dead: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    kept: bytes | None = None


def take_apart(body: wire.Data, start: int, stop: int, *, maybe_plain: bool = True) -> Element:
    """The TimeSeries message in `body[start:stop]`; raises `BodyMalformed`, or `IndexError` at its end."""
    pos = start
    while pos < stop and body[pos] == wire.LABEL:
        size, pos = wire.varint(body, pos + 1)
        pos += size
    form = body[start:pos]
    if maybe_plain and stop >= samples.PLAIN_BYTES and _SAMPLE.fullmatch(body, pos, stop):
        return Element(form, plain=True, zero=stop - pos == samples.ZERO_BYTES)
    element = Element(form, _run_of(body, pos, stop))
    if element.run is None:
        _take_rest(body, pos, stop, element)
    return element


def _take_rest(body: wire.Data, pos: int, stop: int, element: Element) -> None:
    found = element.samples
    while pos < stop:
        tag = body[pos]
        if tag not in (wire.LABEL, wire.SAMPLE, wire.EXEMPLAR, wire.HISTOGRAM):
            pos = wire.field_end(body, pos, _SERIES_FIELDS)
            continue
        size, at = wire.varint(body, pos + 1)
        if tag == wire.SAMPLE:
            found.append((pos, at, at + size))
            if len(found) > UNUSUAL_SAMPLES_MAX:
                raise BodyMalformed(f"a series has more than {UNUSUAL_SAMPLES_MAX} samples of unusual form")
        elif tag == wire.HISTOGRAM:
            element.histograms += 1
        elif tag == wire.LABEL:  # legal after samples, if never seen
            element.form += body[pos : at + size]
        pos = at + size
    if pos != stop:
        raise BodyMalformed("a field is longer than its series")


def _run_of(body: wire.Data, start: int, stop: int) -> Run | None:
    if stop - start > _SHORT_RUN_BYTES:
        found = samples.run_of(body, start, stop)
        return None if found is None else Run(start, stop, *found)
    if _LONG_RUN.fullmatch(body, start, stop):
        ends = np.arange(start + samples.PLAIN_BYTES, stop + 1, samples.PLAIN_BYTES)
        return Run(start, stop, ends, np.zeros(len(ends), np.bool_))
    if _RUN.fullmatch(body, start, stop):
        ends = np.array([match.end() for match in _SAMPLE.finditer(body, start, stop)], np.int64)
        return Run(start, stop, ends, np.diff(ends, prepend=start) == samples.ZERO_BYTES)
    return None


def judge_samples(body: wire.Data, element: Element, window: Window) -> Outcome:
    if element.run is not None:
        outcome = _judge_run(body, element.run, window)
        if outcome is not None:
            return outcome
        element.samples = _fields_of(body, element.run)
    return _judge_each(body, element.samples, window)


def sample_bytes(body: wire.Data, element: Element) -> bytes:
    """All sample fields, and nothing else."""
    if element.run is not None:
        return body[element.run.start : element.run.stop]
    return b"".join([body[start:stop] for start, _, stop in element.samples])


def judge_runs(body: wire.Data, runs: list[Run], window: Window) -> list[int | None]:
    """Of many series at once: how many of each one's samples are dead, or None where one is not accepted."""
    ends = np.concatenate([run.ends for run in runs])
    zeros = np.concatenate([run.zeros for run in runs])
    return judge_ends(body, ends, zeros, [len(run.ends) for run in runs], window)


def judge_ends(
    body: wire.Data, ends: NDArray[np.int64], zeros: NDArray[np.bool_], counts: list[int], window: Window
) -> list[int | None]:
    """The same, of samples by their ends, so many of each series."""
    checked = samples.check(samples.tails(body, ends), zeros, window)
    if checked.fine and checked.nan is None:
        return [0] * len(counts)
    firsts = np.cumsum([0, *counts[:-1]])
    bad = np.zeros(len(counts), np.bool_)
    for mask in (checked.misshapen, checked.old, checked.future):
        if mask is not None:
            bad |= np.logical_or.reduceat(mask, firsts)
    nans = (
        np.zeros(len(counts), np.int64)
        if checked.nan is None
        else np.add.reduceat(checked.nan, firsts, dtype=np.int64)
    )
    return [None if refused else count for refused, count in zip(bad.tolist(), nans.tolist(), strict=True)]


def _judge_run(body: wire.Data, run: Run, window: Window) -> Outcome | None:
    """Vectorised; None when the run is not what it looks like."""
    stops, zeros = run.ends, run.zeros
    # The first nine bytes of a run may lie less than 18 bytes into the body: such a body holds no labels.
    if stops[0] < samples.PLAIN_BYTES:
        return None
    checked = samples.check(samples.tails(body, stops), zeros, window)
    if checked.misshapen is not None:
        return None
    outcome = Outcome(len(stops), len(stops), dead=_count(checked.nan))
    if checked.fine:
        return outcome
    keep = np.ones(len(stops), np.bool_)
    for reason, mask in ((verdict.TOO_OLD, checked.old), (verdict.TOO_FAR_IN_FUTURE, checked.future)):
        if mask is not None:
            outcome.rejected[reason] = _count(mask)
            keep &= ~mask
    outcome.accepted = _count(keep)
    sizes = np.where(zeros, samples.ZERO_BYTES, samples.PLAIN_BYTES)
    data = np.frombuffer(body, np.uint8, run.stop - run.start, run.start)
    outcome.kept = data[np.repeat(keep, sizes)].tobytes()
    return outcome


def _fields_of(body: wire.Data, run: Run) -> list[tuple[int, int, int]]:
    element = Element(b"")
    _take_rest(body, run.start, run.stop, element)
    return element.samples


def _judge_each(body: wire.Data, found: list[tuple[int, int, int]], window: Window) -> Outcome:
    outcome = Outcome(len(found), 0)
    kept = []
    for field_start, start, stop in found:
        timestamp_ms, bits = wire.read_sample(body, start, stop)
        if timestamp_ms < window.oldest_ms:
            outcome.rejected[verdict.TOO_OLD] += 1
        elif timestamp_ms > window.newest_ms:
            outcome.rejected[verdict.TOO_FAR_IN_FUTURE] += 1
        else:
            outcome.accepted += 1
            outcome.dead += samples.is_nan_bits(bits)
            kept.append(body[field_start:stop])
    if outcome.accepted < outcome.received:
        outcome.kept = b"".join(kept)
    return outcome


def _count(mask: NDArray[np.bool_] | None) -> int:
    return 0 if mask is None else int(np.count_nonzero(mask))
