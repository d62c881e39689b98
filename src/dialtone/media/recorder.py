"""Records calls while they run. The event loop only collects frames; one thread of the process writes them.

About once a second a call's frames go to the thread, which writes them within a quarter of a second: a crash of the
process loses no more than that.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread

from dialtone.media.audio import AudioFormat
from dialtone.media.recording_file import RecordingFile

logger = logging.getLogger(__name__)

BATCH_TICKS = 50
MAX_WAITING_BATCHES = 30
"""Seconds of a call that may wait for a slow disk before its recording stops."""
GATHER_SECONDS = 0.25
"""The thread sleeps so long once it has written everything, while batches gather: woken for each, it would take turns
with the event loop for the interpreter a hundred times a second.
"""


OnFailure = Callable[[str], None] | None


class Recorder:
    """One call's recording. Made by `RecordingWriter.open`; used on the event loop.

    Whatever the disk does, the call goes on: a recording that cannot continue stops and says why in `failure`.
    """

    def __init__(self, writer: "RecordingWriter", path: Path, audio: AudioFormat, on_failure: OnFailure) -> None:
        self._writer = writer
        self._jobs = writer._jobs
        self._path = path
        self._audio = audio
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._left: list[bytes | None] = []
        self._right: list[bytes | None] = []
        self._batches = 0
        """Handed over."""
        self._batches_done = 0
        """Of these; counted by the thread alone."""
        self._closing: asyncio.Future[float] | None = None
        self._file: RecordingFile | None = None
        self._stopped = False
        self.failure: str | None = None
        """Why the recording stopped before the call did, as a sentence without the path; None if it did not."""
        self._jobs.put(self._open)

    def write(self, left: bytes | None, right: bytes | None) -> None:
        """Record one 20 ms tick in the line's encoding; None is silence.

        `left` may be of any length, late or early audio finds its place; `right` is what was played in this tick.
        """
        if self.failure is not None or self._closing is not None:
            return
        self._left.append(left)
        self._right.append(right)
        if len(self._left) >= BATCH_TICKS:
            if self._batches - self._batches_done >= MAX_WAITING_BATCHES:
                self._failed("the recording stopped: the disk is too slow")
            else:
                self._hand_over()

    @property
    def is_closing(self) -> bool:
        return self._closing is not None

    def finish(self) -> None:
        """Begin to close: what is given to `write` from now on is not recorded."""
        if self._closing is None:
            self._closing = self._loop.create_future()
            if self._left and self.failure is None:
                self._hand_over()
            self._jobs.put(self._close)
            self._writer._urgent.set()

    async def close(self) -> float:
        """Write what is left. Gives the seconds that are in the file, 0 if there is none. Idempotent, never raises."""
        self.finish()
        assert self._closing is not None
        return await asyncio.shield(self._closing)

    def _hand_over(self) -> None:
        left, right = self._left, self._right
        self._left, self._right = [], []
        self._batches += 1
        self._jobs.put(lambda: self._append(left, right))

    def _failed(self, reason: str) -> None:
        if self.failure is None:
            self.failure = reason
            self._left, self._right = [], []
            logger.error("%s (%s)", reason, self._path)
            if self._on_failure is not None:
                self._loop.call_soon(self._on_failure, reason)

    # What follows runs on the writer's thread, except what it hands back to the loop.

    def _on_loop(self, callback: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it whoever would have listened
            self._loop.call_soon_threadsafe(callback, *args)

    def _open(self) -> None:
        try:
            self._file = RecordingFile(self._path, self._audio)
        except OSError as error:
            self._stop(error)

    def _append(self, left: list[bytes | None], right: list[bytes | None]) -> None:
        if self._file is not None and not self._stopped:
            try:
                self._file.write(left, right)
            except Exception as error:  # whatever it is, this recording cannot go on and the call must
                self._stop(error)
        self._batches_done += 1

    def _stop(self, error: Exception) -> None:
        self._stopped = True
        words = (error.strerror if isinstance(error, OSError) else None) or str(error)
        seconds = self._file.seconds if self._file is not None else 0.0
        self._on_loop(self._failed, f"the recording stopped after {seconds:.0f} s: {words}")

    def _close(self) -> None:
        seconds = 0.0
        if self._file is not None:
            seconds = self._file.seconds
            with contextlib.suppress(OSError):
                self._file.close()
        self._on_loop(self._closed, seconds)

    def _closed(self, seconds: float) -> None:
        self._writer._recorders.discard(self)
        if self._closing is not None and not self._closing.done():
            self._closing.set_result(seconds)


class RecordingWriter:
    """The process's writing thread, started with the first recording."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._urgent = Event()
        """Somebody waits for what the thread is to do."""
        self._thread: Thread | None = None
        self._recorders: set[Recorder] = set()

    def open(self, path: Path, audio: AudioFormat, on_failure: OnFailure = None) -> Recorder:
        """Begin a recording at `path`, over whatever is there; parent directories are made. Call on the event loop.

        `on_failure` is called on the loop, at most once, with why the recording stopped early.
        """
        if self._thread is None:
            self._thread = Thread(target=self._work, name="recording-writer", daemon=True)
            self._thread.start()
        recorder = Recorder(self, path, audio, on_failure)
        self._recorders.add(recorder)
        return recorder

    async def close(self) -> None:
        """Close the recordings that are still open, and end the thread."""
        await asyncio.gather(*(recorder.close() for recorder in tuple(self._recorders)))
        if self._thread is not None:
            thread, self._thread = self._thread, None
            self._jobs.put(None)
            self._urgent.set()
            await asyncio.to_thread(thread.join)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:
                logger.exception("writing a recording failed")
            if self._jobs.empty():
                self._urgent.wait(GATHER_SECONDS)
                self._urgent.clear()
