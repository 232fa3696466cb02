"""How far the resident memory of processes rose at most, by the kernel's own high-water mark."""

from pathlib import Path

from tests.support.processes import Process

_RESET_PEAK = "5"


class Watch:
    """Begins at what is resident now."""

    def __init__(self, processes: list[Process]) -> None:
        self._folders = [Path("/proc", str(process.pid)) for process in processes]
        for folder in self._folders:
            (folder / "clear_refs").write_text(_RESET_PEAK)
        self._before = [_bytes(folder, "VmRSS") for folder in self._folders]

    def rise(self) -> int:
        """The sum of each one's highest mark, whenever that was: no less than all had at one moment."""
        highest = [_bytes(folder, "VmHWM") for folder in self._folders]
        return sum(highest) - sum(self._before)


def _bytes(folder: Path, field: str) -> int:
    line = next(line for line in (folder / "status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024
