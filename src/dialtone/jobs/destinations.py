"""Other people's servers that jobs send to: how many requests at once to each, and none to one that is down.

Three rules keep one receiver's trouble from the others. A destination has at most `each` requests under way. After some
failures in a row it gets none for a growing time, then one to find out whether it lives. And destinations that have not
proven themselves, because they are new or failed last time, have together no more than a share of all places: however
many of them accept connections and never answer, the rest is free for those that do.

Who is refused is told when to come back, and gives its place to another job meanwhile. The state is this process's own.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dialtone.jobs.base import GiveUp, RetryLater

FAILURES_TO_OPEN = 5
FIRST_OPEN_SECONDS = 10.0
LONGEST_OPEN_SECONDS = 600.0
LONGEST_WAIT_SECONDS = 300.0
"""On top of the time for which a destination gets nothing."""
SHORTEST_WAIT_SECONDS = 0.1
FIRST_GUESS_SECONDS = 1.0
"""How long a request takes, before the first one is over."""
NEW_SHARE = 0.2
"""Weight of the latest request in the mean of how long they take."""
MAX_KNOWN = 10_000
"""Destinations that are remembered; of more, those that were used longest ago are forgotten."""


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class _Queue:
    """Gives those who must wait a moment each, as far apart as places become free, so that they don't come back all at
    once to be refused again.
    """

    end: float = 0.0

    def wait(self, now: float, not_before: float, seconds_apart: float) -> float:
        start = max(now, not_before)
        self.end = min(max(self.end, start) + seconds_apart, start + LONGEST_WAIT_SECONDS)
        return max(self.end - now, SHORTEST_WAIT_SECONDS) * random.uniform(1.0, 1.25)


@dataclass(slots=True)
class _Destination:
    queue: _Queue
    under_way: int = 0
    failures: int = 0
    """In a row."""
    proven: bool = False
    opened_at: float = 0.0
    open_until: float = 0.0
    """It gets nothing until then."""
    seconds: float = FIRST_GUESS_SECONDS
    """The mean of how long its requests take."""

    @property
    def failing(self) -> bool:
        return self.failures >= FAILURES_TO_OPEN


class Destinations:
    def __init__(self, *, each: int, unproven: int, clock: Callable[[], float] = _loop_time) -> None:
        """`each`: requests at once to one destination; `unproven`: to all that have not proven themselves. Both well
        below the number of jobs at once that use these destinations.
        """
        self._each = each
        self._unproven = unproven
        self._clock = clock
        self._known: dict[str, _Destination] = {}
        self._unproven_under_way = 0
        self._unproven_queue = _Queue()

    @asynccontextmanager
    async def slot(self, name: str) -> AsyncIterator[None]:
        """Around a request, and nothing else: what is raised inside counts as the destination's failure, except
        `GiveUp`, with which it has answered.

        `name` is whatever fails together: an organization and the origin of a URL. Raises `RetryLater`, uncounted,
        where the destination can't have the request now.
        """
        destination = self._find(name)
        self._admit(destination)
        began, proven = self._clock(), destination.proven
        destination.under_way += 1
        self._unproven_under_way += not proven
        try:
            yield
        except GiveUp:
            self._succeeded(destination)
            raise
        except BaseException:  # also a cancelled request: most likely it took too long
            self._failed(destination, began)
            raise
        else:
            self._succeeded(destination)
        finally:
            destination.under_way -= 1
            self._unproven_under_way -= not proven
            destination.seconds += NEW_SHARE * (self._clock() - began - destination.seconds)

    def _find(self, name: str) -> _Destination:
        destination = self._known.pop(name, None) or _Destination(_Queue())
        self._known[name] = destination  # the last one is the one used last
        if len(self._known) > MAX_KNOWN:
            oldest = next((each for each, known in self._known.items() if not known.under_way), name)
            if oldest != name:
                del self._known[oldest]
        return destination

    def _admit(self, destination: _Destination) -> None:
        """Raises `RetryLater`."""
        now = self._clock()
        if destination.failing and (now < destination.open_until or destination.under_way):
            wait = destination.queue.wait(now, destination.open_until, destination.seconds / self._each)
            raise RetryLater(wait, "the destination failed too often lately", counted=False)
        if destination.under_way >= self._each:
            wait = destination.queue.wait(now, now, destination.seconds / self._each)
            raise RetryLater(wait, "the destination has enough requests under way", counted=False)
        if not destination.proven and self._unproven_under_way >= self._unproven:
            wait = self._unproven_queue.wait(now, now, destination.seconds / self._unproven)
            raise RetryLater(wait, "too many requests to destinations that are new or failing", counted=False)

    def _succeeded(self, destination: _Destination) -> None:
        if destination.failing:
            destination.queue.end = 0.0
        destination.failures = 0
        destination.proven = True

    def _failed(self, destination: _Destination, began: float) -> None:
        destination.proven = False
        if destination.failing and began <= destination.opened_at:
            return  # it failed beside those for which the destination is refused already
        destination.failures += 1
        if destination.failing:
            doubled = min(destination.failures - FAILURES_TO_OPEN, 16)
            destination.opened_at = self._clock()
            seconds = min(FIRST_OPEN_SECONDS * 2.0**doubled, LONGEST_OPEN_SECONDS)
            destination.open_until = destination.opened_at + seconds
