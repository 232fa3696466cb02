"""The CI workflow: little trust in others, bounded time, the same commands as on a developer's machine."""

import re
from typing import Any

import pytest
import yaml

from infra.local.paths import ROOT

TEXT = (ROOT / ".github/workflows/ci.yml").read_text()
WORKFLOW: dict[str, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]

every_job = pytest.mark.parametrize("name", sorted(JOBS))


def test_a_foreign_action_is_pinned_by_commit_and_tells_its_version() -> None:
    used = re.findall(r"uses: (\S+)(.*)", TEXT)
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)


def test_the_token_may_only_read_and_is_not_left_on_disk() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in JOBS.values())
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(JOBS)
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_a_newer_push_ends_the_older_run_of_a_pull_request() -> None:
    assert WORKFLOW["concurrency"]["cancel-in-progress"]


@every_job
def test_a_job_ends_in_time_on_a_fixed_machine(name: str) -> None:
    assert JOBS[name]["timeout-minutes"] <= 60
    assert re.search(r"-\d", JOBS[name]["runs-on"])


def test_ci_runs_what_a_developer_runs() -> None:
    commands = "\n".join(step.get("run", "") for step in STEPS)
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = set(re.findall(r"make ([a-z-]+)", commands))
    assert {"lint", "test"} <= called <= targets
    assert "infra/docker/smoke.sh" in commands


def test_no_expression_of_a_stranger_reaches_a_shell() -> None:
    """A branch or a title is text that its author chose."""
    assert not any("${{" in step.get("run", "") for step in STEPS)
