"""A private copy of this checkout with ports of its own, to try the make targets on."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from infra.local.paths import ROOT
from infra.local.settings import PORTS
from tests.support.ports import free_block

TIMEOUT_S = 280
_SHARED_SOCKET_PORTS = 9  # a public port, and one for each of eight replicas


class Copy:
    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.ports: dict[str, int] = {}
        _copy_tree(folder)
        self._write_ports()

    def _write_ports(self) -> None:
        start = free_block(len(PORTS) * _SHARED_SOCKET_PORTS)
        self.ports = {name: start + n * _SHARED_SOCKET_PORTS for n, name in enumerate(PORTS)}
        lines = [f"{name}={port}" for name, port in self.ports.items()]
        (self.root / ".env").write_text("\n".join([*lines, "RUNTIME=local", ""]))

    def make(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["make", "-s", *words],
            cwd=self.root,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"make {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
        return done

    def status(self) -> dict[str, dict[str, Any]]:
        rows = json.loads(self.make("status", "FORMAT=json").stdout)
        return {row["name"]: row for row in rows}

    def env(self) -> dict[str, str]:
        """As a shell reads it."""
        done = subprocess.run(
            ["sh", "-c", 'eval "$(make -s env)" && env'],
            cwd=self.root,
            env=_environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def _environment() -> dict[str, str]:
    """Nothing of the surrounding make, test run or stack may leak into the copy's."""
    return {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR", "JAVA_HOME")}


def _copy_tree(folder: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    # Copied, not linked: set-up installs the copy into its own environment.
    subprocess.run(
        ["cp", "-a", "--reflink=auto", str(ROOT / ".venv"), str(folder / ".venv")],
        check=True,
        timeout=TIMEOUT_S,
    )
    (folder / ".run").mkdir()
    (folder / ".run" / "cache").symlink_to(ROOT / ".run" / "cache")
