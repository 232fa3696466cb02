"""What the steps of the smoke test are made of: expectations, patience, the program behind make."""

import json
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar

from infra.local import paths

T = TypeVar("T")

PATIENCE_S = 60.0
HTTP_TIMEOUT_S = 5.0


class SmokeError(Exception):
    """What was expected and what was there instead."""


def expect(holds: bool, message: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise SmokeError(message)


def eventually(probe: Callable[[], T]) -> T:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return probe()
        except (SmokeError, OSError, LookupError, ValueError) as error:
            if time.monotonic() > deadline:
                raise SmokeError(f"not within {PATIENCE_S:.0f} s: {error}") from error
        time.sleep(0.5)


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=HTTP_TIMEOUT_S) as answer:  # noqa: S310 - our own http address
        return json.load(answer)


def runtime(*words: str) -> None:
    """The very program behind the make targets, its progress on this terminal."""
    done = subprocess.run([paths.ROOT / "infra" / "docker" / "runtime", *words], check=False)
    expect(done.returncode == 0, f"runtime {' '.join(words)} ended with {done.returncode}")


def output(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=HTTP_TIMEOUT_S * 12)
    expect(done.returncode == 0, f"{' '.join(words[:3])}: {done.stderr.strip()}")
    return done.stdout


def status() -> list[dict[str, Any]]:
    script = paths.ROOT / "infra" / "docker" / "runtime"
    found: list[dict[str, Any]] = json.loads(output(str(script), "status", "FORMAT=json"))
    return found


def exported() -> dict[str, str]:
    lines = output(str(paths.ROOT / "infra" / "docker" / "runtime"), "env").splitlines()
    pairs = (shlex.split(line)[1].partition("=") for line in lines)
    return {name: value for name, _, value in pairs}
