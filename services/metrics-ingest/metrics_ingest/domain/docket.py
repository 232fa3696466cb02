"""The judgement of one WriteRequest: what each of its series comes to, kept small."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from metrics_ingest.domain import elements, labels, samples, verdict, wire
from metrics_ingest.domain.bodies import BodyError, BodyTooLarge
from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.domain.elements import Element
from metrics_ingest.domain.known import UNKNOWN, Known, reason_of
from metrics_ingest.domain.labels import Identity
from metrics_ingest.domain.layouts import Layout, Layouts
from metrics_ingest.domain.samples import Window
from metrics_ingest.domain.scan import Runs, Scanned, content_start, scan
from metrics_ingest.domain.slices import Pending, Slice
from metrics_ingest.domain.tenants import Tenant


class TooManySeries(BodyTooLarge):
    """413, as for any body that is larger than it looks."""

    def __init__(self, limit: int) -> None:
        BodyError.__init__(self, f"the body holds more than {limit} series: send it in parts")
        self.limit = limit


class Docket:
    """`advance` until `done`, then answer for what is `pending`: `refuse` it, or leave it accepted."""

    def __init__(
        self, body: wire.Data, tenant: Tenant, window: Window, bounds: Bounds, layouts: Layouts
    ) -> None:
        self.body = body
        self.slices: list[Slice] = []
        self.pending: dict[bytes, Pending] = {}
        # Whether the bytes may travel on as they came.
        self.whole = True
        self.received = 0
        self.rejected: Counter[str] = Counter()
        self.items: list[tuple[int, str]] = []
        self._tenant = tenant
        self._window = window
        self._bounds = bounds
        self._layouts = layouts
        self._pos = 0
        self._series = 0

    @property
    def done(self) -> bool:
        return self._pos >= len(self.body)

    @property
    def accepted(self) -> int:
        return sum(part.accepted() for part in self.slices)

    @property
    def dead(self) -> int:
        return sum(int(part.dead.sum()) for part in self.slices if part.dead is not None)

    def advance(self, known: Known, *, now_s: int) -> None:
        """Judge the next slice of series; raises `BodyMalformed`, `TooManySeries`."""
        bounds = self._bounds
        if not self._pos and (layout := self._layouts.find(known, self.body)) is not None:
            self._follow(layout, known, now_s)
            if self.done:
                return
        found = scan(
            self.body,
            self._pos,
            known.forms,
            series_max=bounds.slice_series,
            unknown_max=bounds.slice_unknown_series,
        )
        if found.stops:
            part = Slice(self._series, self._pos, np.array(found.stops, np.int64))
            self.slices.append(part)
            with wire.guarded():
                slots = self._judge(part, found, known, now_s)
            if found.pos == len(self.body) and not part.first and _is_plain(part, found):
                self._layouts.keep(known, self.body, part.stops, slots)
        self._series += len(found.stops)
        self._pos = found.pos
        if self._series > self._bounds.request_series_max:
            raise TooManySeries(self._bounds.request_series_max)

    def identities(self) -> dict[bytes, Identity]:
        """Of the pending series, by their label bytes."""
        return {form: one.identity for form, one in self.pending.items()}

    def refuse(self, form: bytes, reason: str) -> None:
        """A pending series does not get in."""
        for part, place in self.pending[form].places:
            self._reject(part, place, reason, part.count(place))
            part.set(place, 0, 0)
            part.rewritten.pop(place, None)

    def _follow(self, layout: Layout, known: Known, now_s: int) -> None:
        """Judge the whole body, unless what stands in the samples' places is something else."""
        checked = samples.check(samples.tails(self.body, layout.stops), (), self._window)
        if checked.misshapen is not None:
            return
        part = Slice(0, 0, layout.stops)
        self.slices.append(part)
        known.mark(layout.slots, now_s)
        self.received += len(layout.stops)
        if not (checked.fine and checked.nan is None):
            self._apply_checked(part, checked, np.zeros(len(layout.stops), np.bool_))
        self._series = len(layout.stops)
        self._pos = len(self.body)

    def _judge(self, part: Slice, found: Scanned, known: Known, now_s: int) -> NDArray[np.int64]:
        """The slots of its series."""
        fresh: list[tuple[int, bytes, Identity]] = []
        odd: dict[int, Element] = {}
        for place, start in found.unknown:
            self._place(place, start, found, known, fresh, odd, maybe_plain=True)
        settled, others = self._judge_runs(part, found.runs)
        for place, start in others:
            self._place(place, start, found, known, fresh, odd, maybe_plain=False)
        checked = self._check(part, found, [*odd, *settled])
        if checked is not None and checked.misshapen is not None:
            for place in np.flatnonzero(checked.misshapen).tolist():
                # A known series whose end is not the sample that it looked like.
                before = part.start if place == 0 else found.stops[place - 1]
                start = content_start(self.body, before)
                self._place(place, start, found, known, fresh, odd, maybe_plain=False)
        slots = np.array(found.slots, np.int64)
        known.mark(slots, now_s)
        self.received += len(found.stops) - len(odd)
        refused = slots < UNKNOWN
        if odd:
            self._apply_odd(part, odd, found.slots)
            refused[list(odd)] = False
        if refused.any():
            self._apply_refused(part, refused, slots)
        if checked is not None and not (checked.fine and checked.nan is None):
            self._apply_checked(part, checked, refused)
        for place, form, identity in fresh:
            if part.count(place):
                self.pending.setdefault(form, Pending(identity)).places.append((part, place))
        return slots

    def _judge_runs(self, part: Slice, runs: Runs) -> tuple[list[int], list[tuple[int, int]]]:
        """Places whose samples are all accepted, and places and starts of those that are to be looked at."""
        if not runs.places:
            return [], []
        ends, zeros = np.array(runs.ends, np.int64), np.array(runs.zeros, np.bool_)
        dead = elements.judge_ends(self.body, ends, zeros, runs.counts, self._window)
        settled, others = [], []
        for place, start, count, gone in zip(runs.places, runs.starts, runs.counts, dead, strict=True):
            if gone is None:
                others.append((place, start))
                continue
            settled.append(place)
            part.set(place, count, gone)
            self.received += count - 1
        return settled, others

    def _place(
        self,
        place: int,
        start: int,
        found: Scanned,
        known: Known,
        fresh: list[tuple[int, bytes, Identity]],
        odd: dict[int, Element],
        *,
        maybe_plain: bool,
    ) -> None:
        """Whose series it is, and how its samples are to be looked at."""
        stop = found.stops[place]
        element = elements.take_apart(self.body, start, stop, maybe_plain=maybe_plain)
        slot, form, identity = self._identify(element.form, known)
        if form is not element.form:
            if element.plain:
                element = elements.take_apart(self.body, start, stop, maybe_plain=False)
            element.form, element.reordered = form, True
        if identity is not None:
            fresh.append((place, form, identity))
        if not element.plain:
            odd[place] = element
        elif element.zero:
            found.zeros.append(place)
        found.slots[place] = slot

    def _identify(self, form: bytes, known: Known) -> tuple[int, bytes, Identity | None]:
        """The slot or code of these label fields, as they are to travel, and who they are if they are new."""
        form = known.orders.get(form, form)
        slot = known.forms.get(form)
        if slot is not None:
            return slot, form, None
        identity = labels.judge(form, self._tenant)
        if isinstance(identity, str):
            return known.refuse(form, identity), form, None
        if identity.ordered is not None:
            known.order(form, identity.ordered)
            form = identity.ordered
            slot = known.forms.get(form)
        if slot is None:
            slot = known.slots.get(identity.hash)
            if slot is None:
                return UNKNOWN, form, identity
            known.learn(form, slot)
        return slot, form, None

    def _check(self, part: Slice, found: Scanned, apart: list[int]) -> samples.Checked | None:
        """Of all series but those that are looked at apart."""
        if len(apart) == len(found.stops):
            return None
        # Those may end before byte 18: what is read for them counts for nothing.
        stops = np.maximum(part.stops, samples.PLAIN_BYTES) if apart else part.stops
        checked = samples.check(samples.tails(self.body, stops), found.zeros, self._window)
        return checked.without(apart) if apart else checked

    def _apply_odd(self, part: Slice, odd: dict[int, Element], slots: list[int]) -> None:
        runs = {
            place: element.run
            for place, element in odd.items()
            if element.run is not None
            and slots[place] >= UNKNOWN
            and element.run.ends[0] >= samples.PLAIN_BYTES
        }
        dead = elements.judge_runs(self.body, list(runs.values()), self._window) if runs else []
        settled = dict(zip(runs, dead, strict=True))
        for place, element in odd.items():
            count = settled.get(place)
            if slots[place] < UNKNOWN:
                self.received += element.count + element.histograms
                self._reject(part, place, verdict.UNSUPPORTED_NATIVE_HISTOGRAM, element.histograms)
                self._reject(part, place, reason_of(slots[place]), element.count)
                part.set(place, 0, 0)
            elif count is not None:
                self.received += element.count
                part.set(place, element.count, count)
                if element.reordered:
                    self._rewrite(part, place, element, None)
            else:
                self._apply_outcome(part, place, element)

    def _apply_outcome(self, part: Slice, place: int, element: Element) -> None:
        """Of a series that keeps some of its samples, or has unusual ones."""
        outcome = elements.judge_samples(self.body, element, self._window)
        self.received += outcome.received + element.histograms
        self._reject(part, place, verdict.UNSUPPORTED_NATIVE_HISTOGRAM, element.histograms)
        for reason, count in outcome.rejected.items():
            self._reject(part, place, reason, count)
        part.set(place, outcome.accepted, outcome.dead)
        if outcome.accepted and (outcome.kept is not None or element.histograms or element.reordered):
            self._rewrite(part, place, element, outcome.kept)

    def _rewrite(self, part: Slice, place: int, element: Element, kept: bytes | None) -> None:
        if kept is None:
            kept = elements.sample_bytes(self.body, element)
        part.rewritten[place] = wire.put_series(element.form, kept)
        self.whole = False

    def _apply_refused(self, part: Slice, refused: NDArray[np.bool_], slots: NDArray[np.int64]) -> None:
        part.own_counts()[refused] = 0
        codes, counts = np.unique(slots[refused], return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            self.rejected[reason_of(code)] += count
        self.whole = False
        places = np.flatnonzero(refused)[: self._room()].tolist()
        self.items.extend((part.first + place, reason_of(int(slots[place]))) for place in places)

    def _apply_checked(self, part: Slice, checked: samples.Checked, refused: NDArray[np.bool_]) -> None:
        for reason, mask in ((verdict.TOO_OLD, checked.old), (verdict.TOO_FAR_IN_FUTURE, checked.future)):
            if mask is None:
                continue
            here = mask & ~refused
            part.own_counts()[here] = 0
            self._reject_all(part, reason, here)
        if checked.nan is not None:
            part.own_dead()[checked.nan & ~refused] = 1

    def _reject_all(self, part: Slice, reason: str, mask: NDArray[np.bool_]) -> None:
        places = np.flatnonzero(mask).tolist()
        if places:
            self.rejected[reason] += len(places)
            self.whole = False
            self.items.extend((part.first + place, reason) for place in places[: self._room()])

    def _reject(self, part: Slice, place: int, reason: str, count: int) -> None:
        if count:
            self.rejected[reason] += count
            self.whole = False
            if self._room():
                self.items.append((part.first + place, reason))

    def _room(self) -> int:
        return max(0, self._bounds.examples_max - len(self.items))


def _is_plain(part: Slice, found: Scanned) -> bool:
    """Known series, each of one sample that is no zero, and all of them accepted."""
    return part.counts is None and not (found.unknown or found.zeros) and min(found.slots) > UNKNOWN
