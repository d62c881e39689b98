"""The caller's audio, which comes in pieces of any length, taken in frames of 20 ms at the pace of the media clock."""

from dialtone.media.audio import AudioFormat
from dialtone.media.byte_queue import ByteQueue


class CallerAudio:
    """A bounded queue of audio of one format. What does not fit pushes out the oldest, counted in `dropped_bytes`."""

    def __init__(self, audio: AudioFormat, seconds: float = 1.0) -> None:
        """`seconds`: how much may wait. Raises `ValueError` if that is less than one frame."""
        self._frame_bytes = audio.frame_bytes
        self._limit = int(audio.bytes_per_second * seconds) // audio.sample_bytes * audio.sample_bytes
        if self._limit < self._frame_bytes:
            raise ValueError(f"the queue must hold at least one frame of 0.02 s (got {seconds} s)")
        self._queue = ByteQueue()
        self.dropped_bytes = 0

    @property
    def queued_bytes(self) -> int:
        return len(self._queue)

    def push(self, audio: bytes) -> None:
        """Add whole samples."""
        self._queue.append(audio)
        excess = len(self._queue) - self._limit
        if excess > 0:
            self.dropped_bytes += excess
            self._queue.take(excess)

    def next_frame(self) -> bytes | None:
        """The oldest 20 ms, or None while there is less than that."""
        return self._queue.take(self._frame_bytes) if len(self._queue) >= self._frame_bytes else None
