"""Pages of lists: newest first, by id; `limit`, `starting_after`, `ending_before`, `created`."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from payments.dialect.calls import Call
from payments.dialect.errors import ResourceMissing
from payments.dialect.params import BEGINNING, END

LIMIT_DEFAULT: Final = 10
LIMIT_MAX: Final = 100
_LAST: Final = "~"  # above every id: ids are ASCII letters, digits and `_`
_FIRST: Final = ""


class Row(Protocol):
    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Page:
    """What a statement needs, every bound set, so that each list is two statements without a condition.

    Newest first: `id < below AND created_at >= since AND created_at < until ORDER BY id DESC LIMIT fetch`;
    with `backwards`: `id > above ... ORDER BY id ASC LIMIT fetch`. `fetch` is one more than is shown.
    """

    limit: int
    below: str
    above: str
    backwards: bool
    since: datetime
    until: datetime

    @property
    def fetch(self) -> int:
        return self.limit + 1

    @property
    def cursor(self) -> str:
        """The id that the page starts from; empty for the first page."""
        return self.above if self.backwards else ("" if self.below == _LAST else self.below)


def page_of(call: Call) -> Page:
    """The page that the parameters of a list ask for."""
    params = call.params
    since, until = params.get("created", (BEGINNING, END))
    before = params.get("ending_before")
    return Page(
        limit=params.get("limit", LIMIT_DEFAULT),
        below=params.get("starting_after", _LAST),
        above=before or _FIRST,
        backwards=before is not None,
        since=since,
        until=until,
    )


def rendered_page(
    url: str, rows: Sequence[R], page: Page, render: Callable[[R], dict[str, Any]]
) -> dict[str, Any]:
    """The list object of the rows as the statement gave them: in its order, at most `page.fetch`."""
    shown = list(rows[: page.limit])
    if page.backwards:
        shown.reverse()
    return {
        "object": "list",
        "url": url,
        "has_more": len(rows) > page.limit,
        "data": [render(row) for row in shown],
    }


async def check_cursor(page: Page, noun: str, exists: Callable[[str], Awaitable[bool]]) -> None:
    """Raises ResourceMissing when the page starts from an object that the account does not have.

    Call it when a page that has a cursor came back empty or not: one look-up by primary key.
    """
    if page.cursor and not await exists(page.cursor):
        raise ResourceMissing(noun, page.cursor, "ending_before" if page.backwards else "starting_after")
