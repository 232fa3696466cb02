"""Drives headless Chromium over its debugging pipe: no driver program, no open port."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from typing import Any, BinaryIO

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# Chromium reads commands from descriptor 3 and writes answers to 4.
PLACE_AND_BECOME = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
NAMES = ("chromium", "chromium-browser", "google-chrome")
# A start on a machine with all cores taken has been seen to need over half a minute.
ANSWER_TIMEOUT_S = 90.0
POLL_S = 0.1
STOP_TIMEOUT_S = 10.0


class BrowserError(Exception):
    """The browser refused a command, died or did not answer in time."""


def find() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass(slots=True)
class Browser:
    """One page. Commands go out as JSON ended by a zero byte, answers and events come back alike."""

    to_browser: BinaryIO
    from_browser: BinaryIO
    page: str | None = None
    complaints: list[str] = field(default_factory=list)
    _number: int = 0
    _waiting: bytearray = field(default_factory=bytearray)

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self.page is not None:
            message["sessionId"] = self.page
        self.to_browser.write(json.dumps(message).encode() + b"\0")
        self.to_browser.flush()
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while True:
            answer = self._read(deadline)
            if answer.get("id") != self._number:
                self._note(answer)
            elif "error" in answer:
                raise BrowserError(f"{method}: {answer['error']['message']}")
            else:
                result: dict[str, Any] = answer["result"]
                return result

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            ready, _, _ = select([self.from_browser], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise BrowserError(f"the browser did not answer within {ANSWER_TIMEOUT_S:.0f} s")
            part = os.read(self.from_browser.fileno(), 1 << 20)
            if not part:
                raise BrowserError("the browser ended")
            self._waiting += part
        raw, _, rest = bytes(self._waiting).partition(b"\0")
        self._waiting = bytearray(rest)
        message: dict[str, Any] = json.loads(raw)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        """Keeps what the page complains of: thrown errors, console errors, refused requests."""
        parameters = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(parameters["entry"]["text"])

    def open_page(self) -> None:
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self.page = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.command(f"{domain}.enable")

    def resize(self, width: int, height: int) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def evaluate(self, script: str) -> Any:
        answer = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(answer["exceptionDetails"]["text"])
        return answer["result"].get("value")

    def open(self, url: str, *, ready: str, timeout_s: float) -> None:
        """Goes to a page and waits until the script `ready` is true there."""
        self.complaints.clear()
        self.command("Page.navigate", url=url)
        deadline = time.monotonic() + timeout_s
        while not self.evaluate(f"location.href !== 'about:blank' && Boolean({ready})"):
            if time.monotonic() > deadline:
                raise BrowserError(f"{url} was not ready within {timeout_s:.0f} s: {self.complaints}")
            time.sleep(POLL_S)

    def screenshot(self, path: Path) -> None:
        # Two frames: sizes that have just changed are drawn by then.
        frames = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        self.evaluate(frames)
        image = self.command("Page.captureScreenshot", format="png")["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(image))


@contextmanager
def launch(executable: str) -> Iterator[Browser]:
    with ExitStack() as stack:
        profile = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        in_read, in_write = os.pipe()
        out_read, out_write = os.pipe()
        ends = (_above_four(in_read), _above_four(out_write))
        launcher = [sys.executable, "-c", PLACE_AND_BECOME, *map(str, ends)]
        process = subprocess.Popen(
            [*launcher, executable, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=ends,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(_stop, process)
        for end in ends:
            os.close(end)
        to_browser = stack.enter_context(os.fdopen(in_write, "wb", buffering=0))
        browser = Browser(to_browser, stack.enter_context(os.fdopen(out_read, "rb", buffering=0)))
        browser.open_page()
        yield browser


def _above_four(descriptor: int) -> int:
    """The same pipe end under a number that does not stand in the way of 3 and 4."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10)
    os.close(descriptor)
    return moved


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
