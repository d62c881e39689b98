"""What the assistant is about to say, as encoded audio that leaves in frames of 20 ms."""

from dialtone.media.audio import AudioFormat
from dialtone.media.byte_queue import ByteQueue
from dialtone.media.convert import silence


class Playout:
    """A queue of audio in one format, appended in any sizes, taken frame by frame by the media clock.

    An incomplete last frame waits for more audio; once `finish` was called it leaves padded with silence.
    """

    def __init__(self, audio: AudioFormat) -> None:
        self._audio = audio
        self._frame_bytes = audio.frame_bytes
        self._queue = ByteQueue()
        self._ending = False
        self.paused = False
        self.played_bytes = 0
        """Taken by `next_frame` since the start, without padding."""

    @property
    def queued_bytes(self) -> int:
        """Appended, not yet played, not cleared."""
        return len(self._queue)

    @property
    def finished(self) -> bool:
        """`finish` was called and nothing is left to play."""
        return self._ending and not self._queue

    def append(self, audio: bytes) -> None:
        """Queue whole samples. After `finish` this opens the queue again."""
        self._ending = False
        self._queue.append(audio)

    def finish(self) -> None:
        """Nothing follows what was appended so far."""
        self._ending = True

    def pause(self) -> None:
        """Hold the queue; `next_frame` has nothing until `resume`."""
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def clear(self) -> None:
        """Drop what was not played yet and open the queue for new audio. A pause stays in force."""
        self._queue.clear()
        self._ending = False

    def next_frame(self) -> bytes | None:
        """The next 20 ms, or None while paused or while there is no whole frame to play."""
        waiting = len(self._queue)
        if self.paused or not waiting or (waiting < self._frame_bytes and not self._ending):
            return None
        frame = self._queue.take(self._frame_bytes)
        self.played_bytes += len(frame)
        missing = self._frame_bytes - len(frame)
        return frame + silence(self._audio, missing) if missing else frame
