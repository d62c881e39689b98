"""A caller and somebody else, joined: what one says and presses, the other hears. The assistant has left."""

import asyncio
from collections.abc import Callable

from dialtone.lines.base import Line
from dialtone.media.audio import AudioFormat
from dialtone.media.convert import Converter
from dialtone.media.framing import CallerAudio

WAITING_SECONDS = 0.2
"""Audio of one side that may wait for its turn; the oldest is dropped. A line that keeps time needs one frame."""
KEY_FRAMES = 20
"""Frames of a side's audio that are left out where it pressed a key: the tone would be a second key to the other."""


class Bridge:
    """Begins with `join`. The owner of the caller's line passes on what comes from there (`hear`, `press`), and asks
    at each tick of the media clock what the caller hears.
    """

    def __init__(self, caller: Line, other: Line, on_note: Callable[[str], None]) -> None:
        self._caller = caller
        self._other = other
        self._on_note = on_note
        self._to_caller = _Way(other.audio, caller.audio)
        self._to_other = _Way(caller.audio, other.audio)
        self.over: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        """The other side has left; what went wrong, where something did."""

    def join(self) -> None:
        self._other.attach(self)

    # From the caller

    def hear(self, audio: bytes) -> None:
        """Audio in the format of the caller's line, of any length."""
        self._to_other.push(audio)

    def press(self, key: str) -> None:
        self._to_other.leave_out(KEY_FRAMES)
        self._other.send_dtmf(key)

    def tick(self, now: float) -> bytes | None:
        """Send the other side 20 ms, and return those of the caller."""
        frame = self._to_other.next_frame()
        if frame is not None:
            self._other.send_audio(frame)
        return self._to_caller.next_frame()

    # From the other side

    def on_audio(self, audio: bytes) -> None:
        self._to_caller.push(audio)

    def on_dtmf(self, digit: str) -> None:
        self._to_caller.leave_out(KEY_FRAMES)
        self._caller.send_dtmf(digit)

    def on_mark(self, name: str) -> None:
        """Nothing here waits for marks."""

    def on_note(self, text: str) -> None:
        self._on_note(f"second leg: {text}")

    def on_replaced(self) -> None:
        """Whoever is at the desk was not asked for anything."""

    def on_closed(self, reason: str, *, failed: bool) -> None:
        self.leave(reason if failed else None)

    def leave(self, error: str | None = None) -> None:
        """The other side is gone, or talks with the caller without us."""
        if not self.over.done():
            self.over.set_result(error)


class _Way:
    """One direction. Audio of one and the same format passes untouched."""

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self._converter = Converter(source, target)
        self._waiting = CallerAudio(target, WAITING_SECONDS)
        self._left_out = 0

    def push(self, audio: bytes) -> None:
        self._waiting.push(self._converter.process(audio))

    def leave_out(self, frames: int) -> None:
        self._left_out = frames

    def next_frame(self) -> bytes | None:
        frame = self._waiting.next_frame()
        if self._left_out:
            self._left_out -= 1
            return None
        return frame
