"""Every order in which news of a letter can come, against what the rules say in a few lines."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

from orders.domain.letters import Death, Resolved

from tests.support.letters import Desk, death, resolved_of

LENGTH = 4

# State and redrives; None: not in the index.
Letter = tuple[str, int] | None


def died(redrives: int) -> Callable[[Letter], Letter]:
    def step(letter: Letter) -> Letter:
        if letter is None or redrives > letter[1] or letter == ("redriven", redrives):
            return ("dead", redrives)
        return letter

    return step


def applied(redrives: int) -> Callable[[Letter], Letter]:
    def step(letter: Letter) -> Letter:
        if letter == ("redriven", redrives):
            return ("resolved", redrives)
        if letter is not None and letter[0] in {"dead", "redriven"} and redrives > letter[1]:
            return ("resolved", redrives)
        return letter

    return step


def redriven(letter: Letter) -> Letter:
    return ("redriven", letter[1] + 1) if letter is not None and letter[0] == "dead" else letter


def discarded(letter: Letter) -> Letter:
    return ("discarded", letter[1]) if letter is not None and letter[0] == "dead" else letter


NEWS: dict[str, Callable[[Letter], Letter]] = {
    "died 0": died(0),
    "died 1": died(1),
    "died 2": died(2),
    "applied 1": applied(1),
    "applied 2": applied(2),
    "redriven": redriven,
    "discarded": discarded,
}
# By hand, as a run does it.
BY_HAND = {
    "redriven": """
        UPDATE dead_letters SET state = 'redriven', redrives = redrives + 1
        WHERE state = 'dead' AND message_offset = ANY ($1::bigint[])
    """,
    "discarded": """
        UPDATE dead_letters SET state = 'discarded'
        WHERE state = 'dead' AND message_offset = ANY ($1::bigint[])
    """,
}


def told(offset: int, news: str) -> Death | Resolved | None:
    word, _, count = news.partition(" ")
    if word == "died":
        return replace(death(offset), redrives=int(count))
    return resolved_of(death(offset), int(count)) if word == "applied" else None


async def test_news_in_any_order_leave_what_the_rules_say(desk: Desk) -> None:
    stories = list(product(NEWS, repeat=LENGTH))
    letters: list[Letter] = [None] * len(stories)
    for turn in range(LENGTH):
        batch = [told(offset, story[turn]) for offset, story in enumerate(stories)]
        await desk.index(*(one for one in batch if one is not None))
        for news, statement in BY_HAND.items():
            await desk.rows(
                statement, [offset for offset, story in enumerate(stories) if story[turn] == news]
            )
        letters = [NEWS[story[turn]](letter) for story, letter in zip(stories, letters, strict=True)]
        rows = await desk.rows("SELECT message_offset, state, redrives FROM dead_letters")
        found = {row["message_offset"]: (row["state"], row["redrives"]) for row in rows}
        expected = {offset: letter for offset, letter in enumerate(letters) if letter is not None}
        assert found == expected
