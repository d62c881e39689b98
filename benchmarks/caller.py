"""One caller: speaks the script from a point of its own, on an absolute schedule, and notes what it hears."""

import asyncio
import time
from collections.abc import Callable, Sequence

from benchmarks.measures import CallTimes
from benchmarks.script import FRAME_SECONDS, caller_script, phase_seconds

LEAD_SECONDS = 0.05


class Caller:
    """Caller number `index`. `frames` is the script in the line's encoding, one entry per 20 ms."""

    def __init__(self, index: int, frames: Sequence[bytes], first_frame: int | None = None) -> None:
        script = caller_script()
        self.index = index
        self.times = CallTimes()
        self.lateness: list[float] = []
        """Of each frame sent against the schedule, in seconds."""
        self.first_frame = script.first_frame(index) if first_frame is None else first_frame
        self._frames = frames
        self._position = self.first_frame
        self._starts = {turn.start: turn.interrupts for turn in script.turns}
        self._ends = {turn.end for turn in script.turns}
        self._stopped = False

    def start(self, push: Callable[[bytes], None]) -> None:
        """Begin to speak: `push` is called with a frame every 20 ms."""
        self._push = push
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + LEAD_SECONDS + phase_seconds(self.index)
        self._loop.call_at(self._due, self._speak)

    def stop(self) -> None:
        self._stopped = True

    def hear_frame(self) -> None:
        """One of the assistant's frames goes out, or arrives, now."""
        self.times.frames.append(time.monotonic())

    def _speak(self) -> None:
        if self._stopped:
            return
        self.lateness.append(time.monotonic() - self._due)
        if self._position in self._starts:
            self.times.turns_started.append((self._due, self._starts[self._position]))
        if self._position in self._ends:
            self.times.turns_ended.append(self._due)
        self._push(self._frames[self._position])
        self._position = (self._position + 1) % len(self._frames)
        self._due += FRAME_SECONDS
        self._loop.call_at(self._due, self._speak)
