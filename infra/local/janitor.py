"""Keeps the processes' logs bounded: they write to their files themselves, past the supervisor's pipes."""

import shutil
import sys

from supervisor import childutils

from infra.local import paths

LOG_BYTES_MAX = 64 * 1024 * 1024


def trim() -> None:
    """Writers append, so a file can be cut under them; one older copy is kept."""
    for log in paths.LOGS.glob("*.log"):
        if log.stat().st_size > LOG_BYTES_MAX:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            with log.open("r+b") as out:
                out.truncate(0)


def main() -> None:
    while True:
        childutils.listener.wait(sys.stdin, sys.stdout)
        trim()
        childutils.listener.ok(sys.stdout)


if __name__ == "__main__":
    main()
