"""The times of RFC 3261 (section 17, table 4), in seconds."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timers:
    t1: float = 0.5
    """Estimated round trip: the first interval between retransmissions."""
    t2: float = 4.0
    """The longest interval between retransmissions of anything but an INVITE."""
    t4: float = 5.0
    """How long a message may stay in the network."""

    @property
    def timeout(self) -> float:
        """Timers B, F, H, J, L and M: how long an answer or an ACK is waited for."""
        return 64 * self.t1

    @property
    def completed(self) -> float:
        """Timer D: how long retransmitted final responses to an INVITE are acknowledged on UDP."""
        return max(32.0, self.timeout)


class Retransmission:
    """Does something again and again at growing intervals, until it is stopped or told to by its deadline's owner."""

    def __init__(self, action: Callable[[], None], first: float, longest: float | None) -> None:
        self._action = action
        self._interval = first
        self._longest = longest
        self._timer: asyncio.TimerHandle | None = asyncio.get_running_loop().call_later(first, self._again)

    def _again(self) -> None:
        self._interval *= 2
        if self._longest is not None:
            self._interval = min(self._interval, self._longest)
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._again)
        self._action()

    def slow_down(self) -> None:
        """From the next time on at the longest interval (a non-INVITE request that was answered provisionally)."""
        self._interval = self._longest or self._interval

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
