"""Our charges against the bank's book: read first, so that what it holds must be known here by then."""

from dataclasses import dataclass, field
from datetime import datetime

from payments.book import Book, BookAway
from payments.domain.proof import Booked, Check, Held, difference
from payments.resources import Resources
from payments.store import proof as store


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A charge of the book that we tell differently; `after` is the one before it in the book."""

    after: str
    booked: Booked


@dataclass(slots=True)
class _Reading:
    """What one pass over the book found."""

    keys: set[str] = field(default_factory=set)
    twice: list[str] = field(default_factory=list)
    suspects: list[_Suspect] = field(default_factory=list)
    open: set[str] = field(default_factory=set)


async def compare(res: Resources, book: Book) -> list[Check]:
    """Raises BookAway."""
    started = res.clock.now()
    reading = _Reading()
    await _read(res, book, reading)
    missing = await _missing(res, book, reading, started)
    wrong = await _look_again(res, book, reading)
    return [
        _check(res, "authorisations_charged_once", len(reading.keys), reading.twice),
        _check(res, "bank_book_matches", len(reading.keys), wrong, open_=sorted(reading.open)),
        _check(res, "bank_book_is_complete", len(reading.keys), missing),
    ]


async def _read(res: Resources, book: Book, reading: _Reading) -> None:
    after, has_more = "", True
    while has_more:
        page, has_more = await book.page(after, res.settings.proof_book_page)
        async with res.db.acquire() as conn:
            held = await store.held(conn, [booked.idempotency_key for booked in page])
        for booked in page:
            _note(reading, after, booked, held.get(booked.idempotency_key))
            after = booked.id
        if len(reading.keys) > res.settings.proof_book_charges_max:
            raise BookAway(f"the book is longer than {res.settings.proof_book_charges_max} charges")


def _note(reading: _Reading, after: str, booked: Booked, held: Held | None) -> None:
    if booked.idempotency_key in reading.keys:
        reading.twice.append(f"{booked.id} has the key {booked.idempotency_key} of an earlier charge")
    reading.keys.add(booked.idempotency_key)
    if held is not None and held.open:
        reading.open.update(held.open)
    elif difference(booked, held) is not None:
        reading.suspects.append(_Suspect(after, booked))


async def _look_again(res: Resources, book: Book, reading: _Reading) -> list[str]:
    """What still differs; more suspects than may be looked at again count as wrong."""
    rechecks = res.settings.proof_rechecks_max
    wrong = [suspect.booked.id for suspect in reading.suspects[rechecks:]]
    for suspect in reading.suspects[:rechecks]:
        told = await _recheck(res, book, reading, suspect)
        if told is not None:
            wrong.append(told)
    return wrong


async def _recheck(res: Resources, book: Book, reading: _Reading, suspect: _Suspect) -> str | None:
    """Judge a charge that stood still on our side while the book was read; one that never does is let go."""
    key = suspect.booked.idempotency_key
    before = await _held(res, key)
    for _ in range(res.settings.proof_recheck_attempts_max):
        [booked, *_], _ = await book.page(suspect.after, 1)
        now = await _held(res, key)
        if now is not None and now.open:
            reading.open.update(now.open)
            return None
        if now == before:
            return difference(booked, now)
        before = now
    return None


async def _held(res: Resources, key: str) -> Held | None:
    async with res.db.acquire() as conn:
        return (await store.held(conn, [key])).get(key)


async def _missing(res: Resources, book: Book, reading: _Reading, started: datetime) -> list[str]:
    """Authorisations that the bank had answered before the book was read, and that are not in it."""
    missing: list[str] = []
    after = ""
    while len(missing) < res.settings.proof_rechecks_max:
        async with res.db.acquire() as conn:
            keys = await store.charged_keys(
                conn, after=after, until=started, limit=res.settings.proof_book_page
            )
        unseen = [key for key in keys if key not in reading.keys]
        # A charge may have entered the book behind the page that was read.
        missing += [key for key in unseen if await book.find(key) is None]
        if len(keys) < res.settings.proof_book_page:
            break
        after = keys[-1]
    return missing


def _check(
    res: Resources, name: str, read: int, wrong: list[str], *, open_: list[str] | None = None
) -> Check:
    examples = res.settings.proof_examples_max
    detail = f"{read} charges read"
    if wrong:
        detail += f"; {len(wrong)} are wrong: {'; '.join(wrong[:examples])}"
    if open_:
        detail += f"; not judged while {len(open_)} operations are open: {', '.join(open_[:examples])}"
    return Check(name, ok=not wrong, detail=detail)
