"""An even pace: the n-th letter is due n / rate after the start, however long each step takes."""


class Pace:
    """Times are of a monotonic clock, in seconds. After a stall at most `catch_up_s` of it is made up for."""

    def __init__(self, rate: float, *, now: float, catch_up_s: float) -> None:
        self._rate = rate
        self._catch_up_s = catch_up_s
        self._next_at = now + 1.0 / rate

    def due(self, now: float) -> int:
        """How many letters may go now."""
        self._next_at = max(self._next_at, now - self._catch_up_s)
        if now < self._next_at:
            return 0
        return int((now - self._next_at) * self._rate) + 1

    def went(self, count: int) -> None:
        self._next_at += count / self._rate

    def wait_s(self, now: float) -> float:
        """Until the next letter is due."""
        return max(0.0, self._next_at - now)
