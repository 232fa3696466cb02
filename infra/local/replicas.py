"""How many processes of each program are wanted, and which of them a name means."""

import json

from infra.local import catalog, paths
from infra.local.catalog import Process, Program

_RECORD = paths.SUPERVISOR / "replicas.json"


def counts() -> dict[str, int]:
    """Of the programs that were scaled."""
    try:
        found: dict[str, int] = json.loads(_RECORD.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def remember(program: Program, count: int) -> None:
    _RECORD.write_text(json.dumps({**counts(), program.name: count}))


def forget() -> None:
    _RECORD.unlink(missing_ok=True)


def wanted(program: Program) -> list[Process]:
    return [Process(program, number) for number in range(1, counts().get(program.name, 1) + 1)]


def all_wanted() -> list[Process]:
    return [process for program in catalog.PROGRAMS for process in wanted(program)]


def named(service: str) -> list[Process]:
    """`shortener` is all its replicas, `shortener-2` one of them."""
    one = catalog.process(service)
    return [one] if one is not None else wanted(catalog.program(service))
