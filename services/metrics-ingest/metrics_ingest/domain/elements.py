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
_PLAIN_SAMPLE = re.compile(rb"\x12(?:\x10\x09.{8}|\x07)\x10[\x80-\xff]{5}[\x00-\x7f]", re.DOTALL)


@dataclass(slots=True)
class Element:
    """Label fields joined; the samples as one run of bytes, or as (start of field, content, end) each.

    `plain`: it has the shape that `samples.check` looks at, one sample and nothing behind it.
    """

    form: bytes
    run: tuple[int, int] | None = None
    samples: list[tuple[int, int, int]] = field(default_factory=list)
    histograms: int = 0
    plain: bool = False
    zero: bool = False


@dataclass(slots=True)
class Outcome:
    """Of one series' samples: how many came, are accepted, and dead; `kept` if they are not all of them."""

    received: int
    accepted: int
    dead: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    kept: bytes | None = None


def take_apart(body: bytes, start: int, stop: int) -> Element:
    """The TimeSeries message in `body[start:stop]`; raises `BodyMalformed`."""
    with wire.guarded():
        pos = start
        while pos < stop and body[pos] == wire.LABEL:
            size, pos = wire.varint(body, pos + 1)
            pos += size
        element = Element(body[start:pos])
        if _PLAIN_SAMPLE.fullmatch(body, pos, stop):
            element.run = (pos, stop)
            element.plain = stop >= samples.PLAIN_BYTES
            element.zero = stop - pos == samples.ZERO_BYTES
        elif samples.run_of(body, pos, stop) is not None:
            element.run = (pos, stop)
        else:
            _take_rest(body, pos, stop, element)
    return element


def _take_rest(body: bytes, pos: int, stop: int, element: Element) -> None:
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


def judge_samples(body: bytes, element: Element, window: Window) -> Outcome:
    if element.run is not None:
        outcome = _judge_run(body, *element.run, window)
        if outcome is not None:
            return outcome
        element.samples = _fields_of(body, *element.run)
    return _judge_each(body, element.samples, window)


def sample_bytes(body: bytes, element: Element) -> bytes:
    """All sample fields, and nothing else."""
    if element.run is not None:
        return body[slice(*element.run)]
    return b"".join([body[start:stop] for start, _, stop in element.samples])


def sample_count(body: bytes, element: Element) -> int:
    found = None if element.run is None else samples.run_of(body, *element.run)
    return len(element.samples) if found is None else len(found[0])


def _judge_run(body: bytes, start: int, stop: int, window: Window) -> Outcome | None:
    """Vectorised; None when the run is not what it looks like."""
    found = samples.run_of(body, start, stop)
    if found is None:
        return None
    stops, zeros = found
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
    data = np.frombuffer(body, np.uint8, stop - start, start)
    outcome.kept = data[np.repeat(keep, sizes)].tobytes()
    return outcome


def _fields_of(body: bytes, start: int, stop: int) -> list[tuple[int, int, int]]:
    element = Element(b"")
    with wire.guarded():
        _take_rest(body, start, stop, element)
    return element.samples


def _judge_each(body: bytes, found: list[tuple[int, int, int]], window: Window) -> Outcome:
    outcome = Outcome(len(found), 0)
    kept = []
    for field_start, start, stop in found:
        with wire.guarded():
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
