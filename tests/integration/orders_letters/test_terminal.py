"""`python -m orders.deadletters` on the database."""

import asyncio
import json
import os
import signal
import sys
from typing import Any

import pytest
from orders import deadletters
from orders.settings import OrdersSettings

from tests.support.eventually import eventually
from tests.support.letters import Desk, death


@pytest.fixture
def terminal(
    settings: OrdersSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Runs the program in a thread of its own; its exit code and what it printed."""
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("REDRIVE_GROUPS", settings.redrive_groups)

    async def run(*words: str) -> tuple[int, str]:
        code = await asyncio.to_thread(deadletters.main, words)
        printed = capsys.readouterr()
        return code, printed.out or printed.err

    return run


async def test_it_lists_shows_redrives_and_discards(desk: Desk, terminal: Any) -> None:
    await desk.index(*(death(offset, key="A" if offset < 3 else "B") for offset in range(5)))
    code, printed = await terminal("list", "--key", "A", "--limit", "2", "--format", "json")
    assert (code, [row["offset"] for row in json.loads(printed)]) == (0, [2, 1])
    letter_id = json.loads(printed)[0]["id"]
    code, printed = await terminal("show", letter_id, "--format", "json")
    assert (code, json.loads(printed)["decoded"]) == (0, {"n": 2})
    code, printed = await terminal("redrive", "--key=A", "--rate=1000", "--max=2", "--format=json")
    assert (code, json.loads(printed)["matched"], json.loads(printed)["done"]) == (0, 3, 2)
    code, printed = await terminal("discard", "--id", letter_id)
    assert code == 0
    assert await desk.states() == {0: "redriven", 1: "redriven", 2: "discarded", 3: "dead", 4: "dead"}
    code, printed = await terminal("list", "--state", "dead")
    assert (code, len(printed.splitlines())) == (0, 3)


async def test_a_dry_run_changes_nothing(desk: Desk, terminal: Any) -> None:
    await desk.index(death(1), death(2))
    before = await desk.everything()
    code, printed = await terminal("redrive", "--dry-run", "--format", "json")
    assert (code, json.loads(printed)["matched"], json.loads(printed)["done"]) == (0, 2, 0)
    assert await desk.everything() == before


async def test_it_says_who_did_it(desk: Desk, terminal: Any) -> None:
    await desk.index(death(1))
    await terminal("discard")
    (row,) = await desk.rows("SELECT actor FROM dead_letter_actions WHERE action = 'discarded'")
    assert row["actor"].startswith("cli ")


async def test_its_exit_code_tells_what_became_of_it(
    desk: Desk, terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = "00000000-0000-7000-8000-000000000000"
    assert await terminal("show", nothing) == (1, "There is no such dead letter\n")
    assert await terminal("stop", nothing) == (1, "There is no such run\n")
    assert (await terminal("show", "seven"))[0] == 2
    code, printed = await terminal("list", "--since", "yesterday")
    assert (code, printed.split(":")[0]) == (2, "since")
    assert (await terminal("redrive", "--rate", "0"))[0] == 2
    assert await desk.rows("SELECT id FROM redrive_runs") == []
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    assert (await terminal("list"))[0] == 1


async def test_an_interrupt_stops_the_run_where_it_is(settings: OrdersSettings, desk: Desk) -> None:
    await desk.index(*(death(offset) for offset in range(100)))
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "REDRIVE_GROUPS": settings.redrive_groups,
    }
    command = (sys.executable, "-m", "orders.deadletters", "redrive", "--rate", "10")
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stderr=asyncio.subprocess.DEVNULL,
        # What a shell runs in its background ignores interrupts, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    await eventually(desk.sent_offsets, timeout_s=60)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(30):
        assert await process.wait() == 130
    (row,) = await desk.rows("SELECT state, done FROM redrive_runs")
    assert (row["state"], row["done"]) == ("stopped", len(await desk.sent()))
    assert row["done"] < 100
