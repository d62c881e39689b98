"""Callers: each speaks the script from a point of its own, on an absolute schedule, and notes what it hears."""

import asyncio
import time
from collections.abc import Callable, Sequence

from benchmarks.measures import CallTimes
from benchmarks.script import FRAME_SECONDS, caller_script, phase_seconds

SLOT_SECONDS = 0.001
SLOTS = round(FRAME_SECONDS / SLOT_SECONDS)


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
        self._push: Callable[[bytes], None] | None = None

    def start(self, push: Callable[[bytes], None], schedule: "Schedule") -> None:
        """Begin to speak: `push` is called with a frame every 20 ms."""
        self._push = push
        schedule.add(self)

    def stop(self) -> None:
        """Say nothing more."""
        self._push = None

    @property
    def stopped(self) -> bool:
        return self._push is None

    def hear_frame(self) -> None:
        """One of the assistant's frames goes out, or arrives, now."""
        self.times.frames.append(time.monotonic())

    def speak_frame(self, due: float) -> None:
        """Say the next 20 ms, which were due at the monotonic time `due`."""
        if self._push is None:
            return
        self.lateness.append(time.monotonic() - due)
        position = self._position
        if position in self._starts:
            self.times.turns_started.append((due, self._starts[position]))
        if position in self._ends:
            self.times.turns_ended.append(due)
        self._push(self._frames[position])
        self._position = (position + 1) % len(self._frames)


class Schedule:
    """One absolute timer for all callers, who are spread over the milliseconds of a frame's time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._slots: list[list[Caller]] = [[] for _ in range(SLOTS)]
        self._origin = self._loop.time()
        self._tick = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, caller: Caller) -> None:
        """Let `caller` speak every 20 ms, in a phase of its own, until it is stopped."""
        self._slots[int(phase_seconds(caller.index) / SLOT_SECONDS)].append(caller)
        if self._timer is None:
            self._tick = int((self._loop.time() - self._origin) / SLOT_SECONDS)
            self._wait()

    def _wait(self) -> None:
        """Set the timer for the next millisecond in which anybody speaks."""
        for tick in range(self._tick + 1, self._tick + 1 + SLOTS):
            if self._slots[tick % SLOTS]:
                self._tick = tick
                self._timer = self._loop.call_at(self._origin + tick * SLOT_SECONDS, self._serve)
                return
        self._timer = None

    def _serve(self) -> None:
        due = self._origin + self._tick * SLOT_SECONDS
        slot = self._tick % SLOTS
        for caller in self._slots[slot]:
            caller.speak_frame(due)
        if any(caller.stopped for caller in self._slots[slot]):
            self._slots[slot] = [caller for caller in self._slots[slot] if not caller.stopped]
        self._wait()
