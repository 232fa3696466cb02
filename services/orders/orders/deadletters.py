"""`python -m orders.deadletters`: dead letters from a terminal, straight on the database of orders.

Exits with 0 when all was done, 1 when something was not (no such letter, a run that was stopped, a database
that is away), 2 when it was asked in words that it does not know.
"""

import argparse
import asyncio
import getpass
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from chassis import logs, postgres
from chassis.postgres import DatabaseUnavailable, Pool
from chassis.problems import Problem
from pydantic import ValidationError

from orders.api import letter_shapes
from orders.domain.letters import Kind, Order, Run
from orders.letter_schemas import FilterIn, RunIn
from orders.settings import OrdersSettings
from orders.usecases import dead_letters, redrive_runs

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
LIMIT_MAX: Final = 1_000
COLUMNS: Final = (
    "id", "state", "group", "topic", "partition", "offset", "key", "event_type", "error_class",
    "attempts", "redrives", "failed_at",
)  # fmt: skip
FILTERS: Final = tuple(FilterIn.model_fields)


@dataclass(frozen=True, slots=True)
class Desk:
    settings: OrdersSettings
    db: Pool


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    settings = OrdersSettings()
    logs.setup(settings, stream=sys.stderr.buffer)
    try:
        answer, code = asyncio.run(run(settings, arguments))
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        sys.stderr.write("\n".join(problems) + "\n")
        return EXIT_USAGE
    except (Problem, DatabaseUnavailable) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: the run was stopped\n")
        return EXIT_INTERRUPTED
    finally:
        logs.flush()
    sys.stdout.write(table_of(json.loads(answer)) if arguments.format == "table" else _pretty(answer))
    return code


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="python -m orders.deadletters", description=__doc__)
    commands = whole.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="the latest first")
    listing.add_argument("--limit", type=_limit, default=50, help=f"at most {LIMIT_MAX}")
    show = commands.add_parser("show", help="one with its message and history")
    show.add_argument("letter", metavar="ID")
    stop = commands.add_parser("stop", help="end a run where it is")
    stop.add_argument("run", metavar="RUN_ID")
    running = [commands.add_parser("redrive", help="send to the group again")]
    running.append(commands.add_parser("discard", help="give up for good"))
    for command in running:
        command.add_argument("--dry-run", action="store_true", help="only count")
        command.add_argument("--rate", type=float, help="letters a second")
        command.add_argument("--max", type=int, help="letters at most, the oldest first")
    for command in (listing, *running):
        for name in FILTERS:
            command.add_argument(f"--{name.replace('_', '-')}", help=FilterIn.model_fields[name].description)
    for command in (listing, show, stop, *running):
        command.add_argument("--format", choices=("table", "json"), default="table")
    return whole


def _limit(text: str) -> int:
    limit = int(text)
    if not 1 <= limit <= LIMIT_MAX:
        raise argparse.ArgumentTypeError(f"must be 1 to {LIMIT_MAX}")
    return limit


async def run(settings: OrdersSettings, arguments: argparse.Namespace) -> tuple[bytes, int]:
    """What to print, as JSON, and the exit code."""
    async with postgres.pool_of(settings) as pool:
        desk = Desk(settings, pool)
        match arguments.command:
            case "list":
                return await _list(desk, arguments)
            case "show":
                return await _show(desk, arguments.letter)
            case "stop":
                return await _stop(desk, arguments.run)
            case command:
                return await _run(desk, Kind(command), arguments)


async def _list(desk: Desk, arguments: argparse.Namespace) -> tuple[bytes, int]:
    wanted = FilterIn.model_validate(_named(arguments, FILTERS)).wanted()
    found, _ = await dead_letters.page(desk, wanted, before=None, limit=arguments.limit)
    shown = [letter_shapes.letter_out(letter).model_dump(mode="json") for letter in found]
    return msgspec.json.encode(shown), EXIT_OK


async def _show(desk: Desk, text: str) -> tuple[bytes, int]:
    letter_id = FilterIn.model_validate({"id": text}).id
    assert letter_id is not None  # noqa: S101 it was given
    return letter_shapes.whole_json(await dead_letters.show(desk, letter_id)), EXIT_OK


async def _stop(desk: Desk, text: str) -> tuple[bytes, int]:
    run_id = FilterIn.model_validate({"id": text}).id
    assert run_id is not None  # noqa: S101 it was given
    return _run_json(await redrive_runs.stop(desk, run_id)), EXIT_OK


async def _run(desk: Desk, kind: Kind, arguments: argparse.Namespace) -> tuple[bytes, int]:
    """An interrupt stops the run; one whose process dies goes on in a worker."""
    asked = RunIn.model_validate(
        _named(arguments, ("dry_run", "rate", "max")) | {"filter": _named(arguments, FILTERS)}
    )
    settings = desk.settings
    begun = await redrive_runs.begin(
        desk,
        Order(
            kind=kind,
            filter=asked.filter.wanted(),
            rate=asked.rate or settings.redrive_rate_per_s,
            letters_max=asked.max or settings.redrive_letters_max,
            actor=f"cli {getpass.getuser()}",
            dry_run=asked.dry_run,
        ),
    )
    try:
        over = await redrive_runs.work_to_the_end(desk, begun)
    except asyncio.CancelledError:
        await redrive_runs.stop(desk, begun.id)
        raise
    code = EXIT_FAILED if over.state == "stopped" else EXIT_OK
    return _run_json(over), code


def _run_json(run: Run) -> bytes:
    return letter_shapes.run_out(run).model_dump_json().encode()


def _named(arguments: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(arguments, name)) is not None}


def table_of(answer: list[dict[str, Any]] | dict[str, Any]) -> str:
    """Rows under their names; of a single thing, a line a name."""
    if isinstance(answer, dict):
        width = max(map(len, answer))
        return "".join(f"{name:{width}}  {_cell(value)}\n" for name, value in answer.items())
    rows = [COLUMNS, *([_cell(row[name]) for name in COLUMNS] for row in answer)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(line.rstrip() + "\n" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _pretty(answer: bytes) -> str:
    return msgspec.json.format(answer, indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.exit(main())
