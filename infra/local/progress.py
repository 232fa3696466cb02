"""Lines for people: what happens now, how long it took, and a dot every two seconds in between."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_DOT_EVERY_S = 2.0


def say(text: str) -> None:
    """To stderr: stdout is for what a caller asked for, such as `make -s env`."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    started = time.monotonic()
    done = threading.Event()
    print(f"  {what} ", end="", file=sys.stderr, flush=True)
    ticker = threading.Thread(target=_dots, args=(done,), daemon=True)
    ticker.start()
    word = "failed after"
    try:
        yield
        word = "done in"
    finally:
        done.set()
        ticker.join()
        say(f"{word} {time.monotonic() - started:.1f} s")


def _dots(done: threading.Event) -> None:
    while not done.wait(_DOT_EVERY_S):
        print(".", end="", file=sys.stderr, flush=True)
