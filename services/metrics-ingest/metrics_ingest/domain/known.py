"""The series of one tenant that this process knows: label bytes as they came, to a slot of times."""

import math

import numpy as np
from numpy.typing import NDArray

from metrics_ingest.domain import verdict

# In place of a slot: not looked up yet, or refused for the reason of that place in `REASONS`.
UNKNOWN = -1
_REFUSED = -2
REASONS = (
    verdict.EMPTY_LABEL_NAME,
    verdict.DUPLICATE_LABEL,
    verdict.MISSING_NAME,
    verdict.TOO_MANY_LABELS,
    verdict.NAME_TOO_LONG,
    verdict.LABEL_NAME_TOO_LONG,
    verdict.LABEL_VALUE_TOO_LONG,
    verdict.RESERVED_LABEL,
    verdict.INVALID_UTF8,
    verdict.ACTIVE_SERIES_LIMIT,
    verdict.NEW_SERIES_LIMIT,
)
_CODES = {reason: _REFUSED - place for place, reason in enumerate(REASONS)}
_NEVER = np.iinfo(np.int64).min
_SLOTS_MIN = 256
# A series may be spelt in more than one way (order of its labels), but not in any number of ways.
_FORMS_A_SERIES = 2
# Longer ones are looked at anew each time: few senders have them, and they would be most of what is kept.
FORM_BYTES_MAX = 4096
# What an entry takes besides its bytes.
_ENTRY_BYTES = 128


def reason_of(code: int) -> str:
    return REASONS[_REFUSED - code]


class Known:
    """`forms` is the hot path's only look-up: label fields to a slot, or to the code of a refusal."""

    __slots__ = (
        "_free",
        "_hashes",
        "_refused",
        "_seen",
        "_touched",
        "bytes_held",
        "bytes_max",
        "forms",
        "forms_max",
        "generation",
        "orders",
        "refused_max",
        "slots",
    )

    def __init__(self, *, series_max: int, refused_max: int, bytes_max: int = 32 * 2**20) -> None:
        self.forms: dict[bytes, int] = {}
        # Label fields whose order would count in the store, to the same in the order of their names.
        self.orders: dict[bytes, bytes] = {}
        self.slots: dict[bytes, int] = {}
        self.forms_max = _FORMS_A_SERIES * series_max + _SLOTS_MIN
        self.refused_max = refused_max
        # Another one where a form may mean another slot, or none, from now on.
        self.generation = 0
        # Of label fields, known, refused and reordered.
        self.bytes_held = 0
        self.bytes_max = bytes_max
        self._refused: list[bytes] = []
        self._hashes: list[bytes | None] = []
        self._free: list[int] = []
        self._seen: NDArray[np.int64] = np.full(_SLOTS_MIN, _NEVER, np.int64)
        self._touched: NDArray[np.int64] = np.full(_SLOTS_MIN, _NEVER, np.int64)

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def refusals(self) -> int:
        return len(self._refused)

    def learn(self, form: bytes, slot: int) -> None:
        if form not in self.forms:
            if len(form) > FORM_BYTES_MAX:
                return
            self._take(len(form))
        self.forms[form] = slot

    def order(self, form: bytes, ordered: bytes) -> None:
        if form not in self.orders and len(form) <= FORM_BYTES_MAX:
            self._take(len(form) + len(ordered))
            self.orders[form] = ordered

    def refuse(self, form: bytes, reason: str) -> int:
        """Its code; remembered while there is room: the same again costs no more than a known series."""
        code = _CODES[reason]
        # No labels at all are a prefix of everything: never to be found by a guess.
        if form and form not in self.forms and len(self._refused) < self.refused_max:
            self.learn(form, code)
            if form in self.forms:
                self._refused.append(form)
        return code

    def pardon(self) -> None:
        """Forget the refusals: budgets or limits are not what they were."""
        for form in self._refused:
            if self.forms.pop(form, None) is not None:
                self.bytes_held -= len(form) + _ENTRY_BYTES
        self._refused.clear()

    def unlearn(self) -> None:
        """Forget how series are spelt, not that they are there: other limits, other verdicts."""
        self.generation += 1
        self.forms.clear()
        self.orders.clear()
        self._refused.clear()
        self.bytes_held = 0

    def _take(self, size: int) -> None:
        """Room for one more; where there is none everything is learnt again."""
        size += _ENTRY_BYTES
        full = len(self.forms) >= self.forms_max or len(self.orders) >= self.forms_max
        if full or self.bytes_held + size > self.bytes_max:
            self.unlearn()
        self.bytes_held += size

    def add(self, series_hash: bytes, seen_s: int) -> int:
        """The slot of a series that Postgres has."""
        slot = self.slots.get(series_hash)
        if slot is None:
            slot = self._free.pop() if self._free else len(self._hashes)
            if slot == len(self._hashes):
                self._hashes.append(series_hash)
                self._grow()
            self._hashes[slot] = series_hash
            self.slots[series_hash] = slot
            self._touched[slot] = seen_s
        self._seen[slot] = max(seen_s, self._seen[slot])
        return slot

    def mark(self, slots: NDArray[np.int64], now_s: int) -> None:
        """Seen just now; slots below zero are not any series."""
        self._seen[slots[slots >= 0]] = now_s

    def mark_all(self, slots: list[int], now_s: int) -> None:
        """The same, of a few."""
        for slot in slots:
            if slot >= 0:
                self._seen[slot] = now_s

    def due(self, seen_before_s: int, count_max: int) -> list[tuple[bytes, int]]:
        """Series seen later than Postgres knows, and last told of before that time."""
        late = np.flatnonzero((self._seen > self._touched) & (self._touched < seen_before_s))[:count_max]
        return [(self._hashes[slot] or b"", int(self._seen[slot])) for slot in late.tolist()]

    def touched(self, series_hash: bytes, seen_s: int) -> None:
        slot = self.slots.get(series_hash)
        if slot is not None:
            self._touched[slot] = seen_s

    def idle(self, seen_before_s: int) -> list[bytes]:
        gone = np.flatnonzero((self._seen != _NEVER) & (self._seen < seen_before_s)).tolist()
        return [series_hash for slot in gone if (series_hash := self._hashes[slot]) is not None]

    def forget(self, hashes: list[bytes]) -> None:
        """Those series are asked about again when they come again."""
        gone = set()
        for series_hash in hashes:
            slot = self.slots.pop(series_hash, None)
            if slot is not None:
                gone.add(slot)
                self._hashes[slot] = None
                self._seen[slot] = self._touched[slot] = _NEVER
        if gone:
            self.generation += 1
            for form in [form for form, slot in self.forms.items() if slot in gone]:
                del self.forms[form]
                self.bytes_held -= len(form) + _ENTRY_BYTES
            self._free.extend(gone)

    def _grow(self) -> None:
        size = len(self._seen)
        if len(self._hashes) > size:
            more = np.full(math.ceil(size / 2), _NEVER, np.int64)
            self._seen = np.concatenate((self._seen, more))
            self._touched = np.concatenate((self._touched, more))
