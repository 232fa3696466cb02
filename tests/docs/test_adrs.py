"""Architecture decision records: whole, numbered without gaps, and true to the tree."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADR_DIR = ROOT / "docs" / "adr"
FILES = sorted(ADR_DIR.glob("[0-9]*.md"))
SECTIONS = (
    "The question",
    "Decision",
    "Options",
    "Consequences",
    "How we know",
    "When it breaks",
    "In an interview",
    "Code",
)
STATUS = re.compile(
    r"^Status: (accepted|superseded by ADR-\d{4}) +Date: \d{4}-\d\d-\d\d +Scope: \S.*$", re.MULTILINE
)
INDEX_ROW = re.compile(
    r"^\| (\d{4}) \| (?:\[(?P<title>[^\]]+)\]\((?P<file>[^)]+)\)|(?P<planned>[^|]+)) \| (?P<state>[^|]+) \|"
)
PATH = re.compile(r"`((?:libs|services|infra|tests|benchmarks|loadtests|docs)/[^`\s]*?)(?:::(\w+))?`")
WORDS_MAX = 600


def sections(text: str) -> dict[str, str]:
    """Heading to body, for every second-level heading."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {heading.strip(): body.strip() for heading, body in zip(parts[1::2], parts[2::2], strict=True)}


def index_rows() -> list[re.Match[str]]:
    lines = (ADR_DIR / "README.md").read_text().splitlines()
    return [match for line in lines if (match := INDEX_ROW.match(line))]


def test_the_index_has_no_gap_and_lists_every_record() -> None:
    rows = index_rows()
    assert [int(row[1]) for row in rows] == list(range(1, len(rows) + 1))
    assert [row["file"] for row in rows if row["file"]] == [file.name for file in FILES]


def test_a_number_is_planned_only_while_its_service_does_not_exist() -> None:
    for row in index_rows():
        if row["file"]:
            continue
        state = row["state"].strip()
        service = re.fullmatch(r"planned with ([a-z-]+)", state)
        assert service, f"ADR-{row[1]} has no file and is not planned: {state}"
        assert not (ROOT / "services" / service[1]).exists(), f"ADR-{row[1]} is due: {service[1]} exists"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_record_is_whole(file: Path) -> None:
    text = file.read_text()
    number = file.name[:4]
    assert text.startswith(f"# ADR-{number}: "), "the heading carries the number"
    assert STATUS.search(text), "status, date and scope stand in one line"
    found = sections(text)
    assert tuple(found) == SECTIONS
    assert all(found.values()), "no section is empty"
    assert len(text.split()) <= WORDS_MAX, "one page"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_path_and_test_that_a_record_names_exists(file: Path) -> None:
    named = PATH.findall(file.read_text())
    assert named, "a record names its code"
    for path, test in named:
        target = ROOT / path
        assert target.exists(), f"{path} does not exist"
        if test:
            assert re.search(rf"^\s*(?:async )?def {test}\(", target.read_text(), re.MULTILINE), (
                f"no {test} in {path}"
            )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_how_we_know_names_a_test_that_would_fail(file: Path) -> None:
    body = sections(file.read_text())["How we know"]
    assert re.search(r"`tests/[^`]+::test_\w+`", body) or "lint-imports" in body
