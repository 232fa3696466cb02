"""Every SQL literal of the chassis and of the services is prepared against the migrated schema."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

ROOT = Path(__file__).resolve().parents[2]
SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s")


@dataclass(frozen=True)
class Literal:
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def packages() -> dict[str, Path]:
    """Import name -> folder, of the chassis and of every service that has migrations."""
    services = sorted((ROOT / "services").glob("*/*/migrations"))
    return {"chassis": ROOT / "libs/chassis/chassis"} | {one.parent.name: one.parent for one in services}


def literals(folder: Path) -> Iterator[Literal]:
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
                yield Literal(str(path.relative_to(ROOT)), node.lineno, node.value)


def built_statements(folder: Path) -> Iterator[str]:
    """f-strings, `%` and `+` whose left end is SQL: text that no test can prepare."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr) and node.values:
                first = node.values[0]
            elif isinstance(node, ast.BinOp):
                first = node.left
            else:
                continue
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and SQL.match(first.value):
                yield f"{path.relative_to(ROOT)}:{node.lineno}"


@pytest.mark.parametrize("package", packages())
async def test_every_statement_fits_the_schema(package: str, migrated_dsn: Callable[[str], str]) -> None:
    found = list(literals(packages()[package]))
    failures = []
    conn = await asyncpg.connect(migrated_dsn(package))
    try:
        for literal in found:
            try:
                await conn.prepare(literal.text, timeout=10)
            except asyncpg.PostgresError as error:
                failures.append(f"{literal}: {error}")
    finally:
        await conn.close()
    assert not failures, "\n".join(failures)
    assert found, f"no SQL found in {package}: has its form changed?"


@pytest.mark.parametrize("package", packages())
def test_no_statement_is_put_together_from_pieces(package: str) -> None:
    assert list(built_statements(packages()[package])) == []
