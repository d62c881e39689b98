"""Watches the event loop that carries the calls: says where it stood still, and what garbage collection cost."""

import asyncio
import gc
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from types import FrameType

logger = logging.getLogger(__name__)

STALL_SECONDS = 0.020
"""A loop that does not come round for longer than this has made calls wait."""
BEAT_SECONDS = 0.020
REPORT_SECONDS = 1.0
"""At most one stall whose place is known is logged in this time; all are counted."""
STACK_DEPTH = 12
_LOOPS = (
    "/asyncio/runners.py",
    "/asyncio/base_events.py",
    "/asyncio/events.py",
    "/selectors.py",
    "/uvloop/__init__.py",
)
"""Files of event loops."""


class LoopWatchdog:
    """Runs a thread beside the loop. `start` on the loop, `stop` from anywhere; the figures are seconds.

    A stall is worth a warning while `matters()`: a loop without calls may take its time. One in which the loop runs
    nobody's code is the machine's, which has given its processor to others.
    """

    def __init__(self, matters: Callable[[], bool] = lambda: True) -> None:
        self._matters = matters
        self.stalls = 0
        self.worst_stall = 0.0
        self.worst_collection = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._beat_at = 0.0
        self._beat_timer: asyncio.TimerHandle | None = None
        self._collection_began = 0.0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Watch the running loop."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._beat()
        gc.callbacks.append(self._collected)
        self._thread = threading.Thread(target=self._watch, name="loop-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching. Idempotent."""
        if self._thread is None:
            return
        self._stopped.set()
        self._thread.join()
        self._thread = None
        gc.callbacks.remove(self._collected)
        if self._beat_timer is not None:
            self._beat_timer.cancel()
        logger.info(
            "event loop: stalls over %.0f ms: %d, the worst %.0f ms; worst garbage collection %.0f ms",
            STALL_SECONDS * 1000,
            self.stalls,
            self.worst_stall * 1000,
            self.worst_collection * 1000,
        )

    def _beat(self) -> None:
        assert self._loop is not None
        now = time.monotonic()
        if self._beat_at:
            late = now - self._beat_at - BEAT_SECONDS
            if late > STALL_SECONDS:
                self.stalls += 1
                self.worst_stall = max(self.worst_stall, late)
        self._beat_at = now
        self._beat_timer = self._loop.call_later(BEAT_SECONDS, self._beat)

    def _watch(self) -> None:
        reported_beat, reported_at, idle_beat = 0.0, 0.0, 0.0
        while not self._stopped.wait(STALL_SECONDS):
            beat, now = self._beat_at, time.monotonic()
            stalled = now - beat - BEAT_SECONDS
            if stalled > STALL_SECONDS and beat != reported_beat and now - reported_at > REPORT_SECONDS:
                frame = sys._current_frames().get(self._loop_thread)
                is_ours = frame is not None and not frame.f_code.co_filename.endswith(_LOOPS)
                if is_ours:
                    reported_beat, reported_at = beat, now
                elif idle_beat == beat:
                    continue
                else:
                    idle_beat = beat  # whoever holds it up may still be seen
                level = logging.WARNING if is_ours and self._matters() else logging.DEBUG
                logger.log(level, "the event loop stands still for %.0f ms in: %s", stalled * 1000, _where(frame))

    def _collected(self, phase: str, info: Mapping[str, int]) -> None:
        if threading.get_ident() != self._loop_thread:
            return
        if phase == "start":
            self._collection_began = time.perf_counter()
        else:
            self.worst_collection = max(self.worst_collection, time.perf_counter() - self._collection_began)


def _where(frame: FrameType | None) -> str:
    """The innermost functions of a stack, outermost first: names and lines only, no values."""
    stack = traceback.extract_stack(frame)[-STACK_DEPTH:] if frame is not None else []
    return " > ".join(f"{entry.name} ({entry.filename.rsplit('/', 2)[-1]}:{entry.lineno})" for entry in stack)
