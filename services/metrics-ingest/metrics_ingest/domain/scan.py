"""A walk over a WriteRequest, series by series: the hot loop of remote write.

A known series of one sample costs two index reads, one slice and one look-up. The cut between labels and
sample is guessed from the end; a hit proves it, since known label bytes are whole fields, and what follows
whole fields is a field: `samples.check` says whether it is the one that was guessed.
"""

from dataclasses import dataclass, field

from metrics_ingest.domain import wire
from metrics_ingest.domain.bodies import BodyMalformed
from metrics_ingest.domain.known import UNKNOWN
from metrics_ingest.domain.samples import PLAIN_BYTES, PLAIN_HEAD, ZERO_BYTES, ZERO_HEAD

# Timeseries; symbols and timeseries of 2.0, which would be skipped as if they were nothing.
_REQUEST_FIELDS = frozenset((1, 4, 5))
# An element that ends before has no room for labels in front of 18 bytes of sample.
_GUESS_FROM = 24
# Of a series whose samples are looked for one by one; more of them are numpy's work.
_RUN_BYTES_MAX = 1200


@dataclass(slots=True)
class Runs:
    """Known series that seem to have several samples of the usual shapes: places, starts, how many samples.

    `ends` and `zeros` are of all their samples, one after the other.
    """

    places: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    zeros: list[bool] = field(default_factory=list)


@dataclass(slots=True)
class Scanned:
    """Consecutive series: where each ends, its slot, and which ones need a closer look.

    `zeros` and `unknown` are places in the lists; `unknown` come with the start of their content. `runs` are
    known, if their samples are what they look like.
    """

    pos: int
    stops: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    zeros: list[int] = field(default_factory=list)
    unknown: list[tuple[int, int]] = field(default_factory=list)
    runs: Runs = field(default_factory=Runs)


def scan(body: wire.Data, pos: int, forms: dict[bytes, int], *, series_max: int, unknown_max: int) -> Scanned:
    """From `pos` to the end or the maxima; raises `BodyMalformed`."""
    found = Scanned(pos)
    with wire.guarded():
        _walk(body, forms, found, series_max, unknown_max)
    if found.pos > len(body):
        raise BodyMalformed("the message ends within a series")
    return found


def _walk(  # noqa: C901 see below
    body: wire.Data, forms: dict[bytes, int], found: Scanned, series_max: int, unknown_max: int
) -> None:
    """Inlined by hand, and everything local: this loop is the receiver's throughput (ADR-0017)."""
    stops, slots, get = found.stops, found.slots, forms.get
    add_stop, add_slot = stops.append, slots.append
    pos, end = found.pos, len(body)
    while pos < end:
        if body[pos] != wire.SERIES:
            pos = wire.field_end(body, pos, _REQUEST_FIELDS)
            continue
        size = body[pos + 1]
        start = pos + 2
        if size >= wire.GOES_ON:
            # Nearly always two bytes: a call would cost as much as all the rest of the loop.
            if body[start] < wire.GOES_ON:
                size += (body[start] << 7) - wire.GOES_ON
                start += 1
            else:
                size, start = wire.varint(body, pos + 1)
        pos = start + size
        if pos > end:
            break
        slot = None
        if pos >= _GUESS_FROM:
            if body[pos - 18] == wire.SAMPLE:
                slot = get(body[start : pos - 18])
            if slot is None and body[pos - 9] == wire.SAMPLE:
                slot = get(body[start : pos - 9])
                if slot is not None:
                    found.zeros.append(len(stops))
        if slot is None and (slot := _look_back(body, start, pos, forms, found)) is None:
            found.unknown.append((len(stops), start))
            slot = UNKNOWN
            unknown_max -= 1
        add_stop(pos)
        add_slot(slot)
        if len(stops) >= series_max or not unknown_max:
            break
    found.pos = pos


def _look_back(body: wire.Data, start: int, stop: int, forms: dict[bytes, int], found: Scanned) -> int | None:
    """The slot of a known series if several samples of the usual shapes follow its labels."""
    if stop - start > _RUN_BYTES_MAX:
        return None
    cut, least = stop, max(start, _GUESS_FROM - PLAIN_BYTES) + PLAIN_BYTES
    ends: list[int] = []
    zeros: list[bool] = []
    while cut >= least:
        is_zero = body[cut - PLAIN_BYTES : cut - 15] != PLAIN_HEAD
        if is_zero and body[cut - ZERO_BYTES : cut - 6] != ZERO_HEAD:
            break
        ends.append(cut)
        zeros.append(is_zero)
        cut -= ZERO_BYTES if is_zero else PLAIN_BYTES
    slot = forms.get(body[start:cut]) if len(ends) > 1 else None
    if slot is None or slot < 0:
        return None
    runs = found.runs
    runs.places.append(len(found.stops))
    runs.starts.append(start)
    runs.counts.append(len(ends))
    runs.ends += ends
    runs.zeros += zeros
    return slot


def content_start(body: wire.Data, pos: int) -> int:
    """Of the first series at or after `pos`, as `scan` found it before."""
    while body[pos] != wire.SERIES:
        pos = wire.field_end(body, pos, _REQUEST_FIELDS)
    return wire.varint(body, pos + 1)[1]
