"""How many new calls are taken in a second, and that one caller's many do not keep out another's few."""

import math
from collections.abc import Callable

RESERVED_SECONDS = 0.5
"""So many seconds' worth of calls, beside the one that anybody may have at once, is for those who call little."""
MAX_SOURCES = 10_000


class Pace:
    """Calls at hand. Whoever had more than half of what a second brings may not take those that are reserved."""

    def __init__(self, per_second: float, now: Callable[[], float]) -> None:
        self._per_second = per_second
        self._now = now
        self._reserved = RESERVED_SECONDS * per_second
        self._at_hand = per_second + self._reserved
        self._at = now()
        self._had: dict[str, tuple[float, float]] = {}
        """By source: calls that it had, fading within about a second, and as of when."""

    def take(self, source: str) -> bool:
        """Whether a call from `source`, an IP address, is taken now."""
        now = self._now()
        self._at_hand = min(self._per_second + self._reserved, self._at_hand + (now - self._at) * self._per_second)
        self._at = now
        had, at = self._had.get(source, (0.0, now))
        had *= math.exp(at - now)
        if self._at_hand < 1 + (self._reserved if had > self._per_second / 2 else 0.0):
            return False
        self._at_hand -= 1
        if len(self._had) >= MAX_SOURCES:
            self._had.clear()
        self._had[source] = had + 1, now
        return True
