"""PyPI's localstripe, as it comes, in a virtual environment of its own under .run/."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks._processes import ROOT, Process, python_server

REQUIREMENT = "localstripe==1.15.10"
VENV = ROOT / ".run" / "cache" / "localstripe-1.15.10"
# Where it keeps its state, and nobody can tell it otherwise.
STATE = Path("/tmp/localstripe.pickle")  # noqa: S108
API_KEY = "sk_test_of_the_benchmark"
INSTALL_TIMEOUT_S = 180


@contextmanager
def running_localstripe() -> Iterator[Process]:
    """With an empty store, and the state of whoever used it before put back at the end."""
    python = _installed()
    kept = STATE.with_suffix(".kept")
    if STATE.exists():
        STATE.rename(kept)
    try:
        command = ["-m", "localstripe", "--from-scratch", "--port", "{port}"]
        with python_server(command, {}, ready_path="/js.stripe.com/v3/", python=str(python)) as process:
            yield process
    finally:
        STATE.unlink(missing_ok=True)
        if kept.exists():
            kept.rename(STATE)


def _installed() -> Path:
    python = VENV / "bin" / "python"
    done = VENV / ".installed"
    if done.exists():
        return python
    shutil.rmtree(VENV, ignore_errors=True)
    uv = [sys.executable, "-m", "uv"]
    _run([*uv, "venv", "--quiet", "--python", sys.executable, str(VENV)])
    _run([*uv, "pip", "install", "--quiet", "--python", str(python), REQUIREMENT])
    done.touch()
    return python


def _run(command: list[str]) -> None:
    subprocess.run(command, cwd=ROOT, check=True, timeout=INSTALL_TIMEOUT_S)
