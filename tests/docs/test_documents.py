"""README and the pages under docs/: every link, path, make target and problem code in them is real."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "services/*/README.md",
        "infra/**/*.md",
        "loadtests/*.md",
        "benchmarks/*.md",
    )
    for page in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]*)?\)")
PATH = re.compile(r"`((?:libs|services|infra|tests|benchmarks|loadtests|docs)/[\w./*-]*\w/?)`")
TARGET = re.compile(r"\bmake (?:-s )?([a-z][a-z-]*)\b")
PROBLEM = re.compile(r'^\s+status, code, title = (\d{3}), "([a-z_]+)"', re.MULTILINE)
# A bracket in each name keeps this very line from being a hit.
REGISTRIES = re.compile(
    r"pythonhoste[d]|py[p]i\.org|deb\.debia[n]\.|registry\.npm[j]s|repo1?\.mave[n]|proxy\.golan[g]|static\.crate[s]\.io"
)
PROSE = {"sure", "it", "the", "a", "targets", "verbs", "them"}


def anchors(page: Path) -> set[str]:
    """The anchors a page offers, as GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor and file.suffix == ".md":
            assert anchor[1:] in anchors(file), f"{page.name}: {target}{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_in_a_page_exists(page: Path) -> None:
    for path in PATH.findall(page.read_text()):
        assert any(ROOT.glob(path.rstrip("/"))), f"{page.name} names {path}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_in_a_page_exists(page: Path) -> None:
    code = " ".join(re.findall(r"```.*?```|`[^`]+`", page.read_text(), re.DOTALL))
    named = set(TARGET.findall(code)) - PROSE
    assert named <= make_targets(), named - make_targets()


def test_every_problem_code_has_its_row_in_the_reference() -> None:
    sources = [*ROOT.glob("libs/chassis/**/*.py"), *ROOT.glob("services/*/*/**/*.py")]
    codes = {(code, status) for source in sources for status, code in PROBLEM.findall(source.read_text())}
    page = (ROOT / "docs/reference/problems.md").read_text()
    rows = set(re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", page, re.MULTILINE))
    assert codes, "the pattern still finds the codes"
    assert codes == rows, {"missing": codes - rows, "stale": rows - codes}


def test_every_measured_table_names_command_machine_and_date() -> None:
    """A heading that says Measured is followed by the command, the machine and the date."""
    for page in PAGES:
        for body in re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]:
            if not body.lower().startswith("measured"):
                continue
            assert re.search(r"`make bench[^`]*`|`python -m benchmarks[^`]*`|`make load[^`]*`", body), page
            assert re.search(r"\d+ (?:shared )?cores", body), page
            assert re.search(r"20\d\d-\d\d-\d\d", body), page


def test_nothing_tracked_names_a_registry_host_or_a_lock_that_does() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    assert not [file for file in files if file.name == "uv.lock"]
    for file in files:
        if file.suffix in {".png", ".ico", ".woff2"} or not file.is_file() or "static/vendor" in str(file):
            continue
        assert not REGISTRIES.search(file.read_text(errors="replace")), file


def test_no_page_has_a_gap_left_to_fill() -> None:
    for page in PAGES:
        assert "@@" not in page.read_text(), page
