"""The media clock: one timer of the event loop that moves every call on by 20 ms.

The schedule is absolute, so lateness of one tick never shifts the next. Members are spread over four phases 5 ms apart
to spread the load; phases without members cost nothing. When the loop is behind, all phases that are due are served in
one go: other work that fills each turn of the loop for longer than a phase would hold the calls back more and more.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from dialtone.media.audio import FRAME_SECONDS

logger = logging.getLogger(__name__)

PHASES = 4
SLOT_SECONDS = FRAME_SECONDS / PHASES
SKIP_SECONDS = 0.200
"""A clock later than this leaves out the ticks it missed: a burst that long would only be heard as a jump."""


class ClockMember(Protocol):
    def tick(self, now: float) -> None:
        """Called every 20 ms with `loop.time()`. Must not block. An exception ends the membership."""


class Lateness:
    """How late members were ticked, as a histogram in steps of 0.25 ms up to 250 ms."""

    _STEP = 0.00025
    _BUCKETS = 1000

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything measured so far."""
        self._counts = [0] * (self._BUCKETS + 1)
        self.count = 0
        """Ticks measured."""
        self.maximum = 0.0
        """Seconds."""
        self.skipped = 0
        """Ticks of members that were left out because the loop was stuck for longer than `SKIP_SECONDS`."""

    def record(self, seconds: float, ticks: int = 1) -> None:
        """`ticks` members were ticked, none later than `seconds`."""
        bucket = int(seconds / self._STEP) if seconds > 0 else 0
        self._counts[min(bucket, self._BUCKETS)] += ticks
        self.count += ticks
        if seconds > self.maximum:
            self.maximum = seconds

    def percentile(self, share: float) -> float:
        """Seconds that `share` (0 to 1) of the ticks were no later than, rounded up to 0.25 ms; 0 if none."""
        wanted = share * self.count
        seen = 0
        for bucket, count in enumerate(self._counts[:-1]):
            seen += count
            if count and seen >= wanted:
                return min((bucket + 1) * self._STEP, self.maximum)
        return self.maximum


class MediaClock:
    """Ticks its members every 20 ms on the running event loop. Idle, with no timer, while it has none."""

    def __init__(self) -> None:
        self.lateness = Lateness()
        self._phases: list[dict[ClockMember, Callable[[Exception], None] | None]] = [{} for _ in range(PHASES)]
        self._timer: asyncio.TimerHandle | None = None
        self._origin = 0.0
        self._slot = 0
        """The first slot that may still be served; those before it are done or were empty."""
        self._pending = 0
        """The slot that the timer is set to."""
        self.serving: int | None = None
        """The phase whose members are being ticked now, 0 to 3."""

    def __len__(self) -> int:
        return sum(map(len, self._phases))

    def add(
        self,
        member: ClockMember,
        on_error: Callable[[Exception], None] | None = None,
        *,
        before: ClockMember | None = None,
    ) -> None:
        """Tick `member` from its phase's next turn on, within 20 ms. Call on the event loop; again does nothing.

        Who feeds another member names it by `before`, to be ticked right before it, at the same moment. If a tick
        raises, the member is removed, the exception logged and given to `on_error`.
        """
        if any(member in phase for phase in self._phases):
            return
        loop = asyncio.get_running_loop()
        if self._timer is None and not len(self):
            self._origin = loop.time()
            self._slot = self._pending = 1
        else:
            soonest = int((loop.time() - self._origin) / SLOT_SECONDS) + 1
            self._slot = max(self._slot, min(soonest, self._pending))
        phase = next((phase for phase in self._phases if before in phase), None)
        if before is None or phase is None:
            min(self._phases, key=len)[member] = on_error
        else:
            others_error = phase.pop(before)
            phase[member], phase[before] = on_error, others_error  # in this order
        self._schedule(loop)

    def remove(self, member: ClockMember) -> None:
        """Stop ticking `member`, even in the slot being served. Does nothing for a stranger."""
        for phase in self._phases:
            phase.pop(member, None)
        if self._timer is not None and not len(self):
            self._timer.cancel()
            self._timer = None

    def follow(self, member: ClockMember) -> None:
        """Move `member` into the phase being served, behind its other members, where it may wait up to 35 ms for its
        next tick. For one that another member feeds. Does nothing outside a tick, or for a stranger.
        """
        if self.serving is None or member in (phase := self._phases[self.serving]):
            return
        for former in self._phases:
            if member in former:
                phase[member] = former.pop(member)
                return

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the timer to the next slot, from `_slot` on, whose phase has members."""
        slot = next(slot for slot in range(self._slot, self._slot + PHASES) if self._phases[slot % PHASES])
        if self._timer is not None:
            if slot == self._pending:
                return
            self._timer.cancel()
        self._pending = slot
        self._timer = loop.call_at(self._origin + slot * SLOT_SECONDS, self._serve, loop)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve the slots that are due, at most one frame of each member, so that sockets are served in between."""
        after = self._pending + PHASES
        while True:
            self._serve_slot(loop)
            due = self._origin + self._pending * SLOT_SECONDS
            if self._timer is None or self._pending >= after or due > loop.time():
                return
            self._timer.cancel()

    def _serve_slot(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        slot = self._pending
        late = loop.time() - (self._origin + slot * SLOT_SECONDS)
        if late > SKIP_SECONDS:
            missed = int(late / FRAME_SECONDS)
            slot += missed * PHASES
            self.lateness.skipped += missed * len(self._phases[slot % PHASES])
            logger.warning("the media clock was %.0f ms late and left out %d frames", late * 1000, missed)
        due = self._origin + slot * SLOT_SECONDS
        phase = self._phases[slot % PHASES]
        self._slot = slot + 1
        self._schedule(loop)
        now, ticked = due, 0
        self.serving = slot % PHASES
        for member in tuple(phase):
            if member in phase:
                now, ticked = loop.time(), ticked + 1
                try:
                    member.tick(now)
                except Exception as error:
                    self._drop(member, phase.get(member), error)
        self.serving = None
        # One entry for the slot, all its members as late as the last: measuring must not cost what it measures.
        self.lateness.record(now - due, ticked)

    def _drop(self, member: ClockMember, on_error: Callable[[Exception], None] | None, error: Exception) -> None:
        logger.error("a member of the media clock failed and is no longer ticked", exc_info=error)
        self.remove(member)
        if on_error is not None:
            try:
                on_error(error)
            except Exception:
                logger.exception("a clock member's error callback failed")
