"""What the assistant is about to say, as encoded audio that leaves in frames of 20 ms."""

from collections import deque

from dialtone.media.audio import AudioFormat

_SILENT_BYTE = {"mulaw": b"\xff", "pcm_s16le": b"\x00"}


def silence(audio: AudioFormat, byte_count: int) -> bytes:
    """`byte_count` bytes of digital silence in the encoding of `audio`."""
    return _SILENT_BYTE[audio.encoding] * byte_count


class Playout:
    """A queue of audio in one format, appended in any sizes, taken frame by frame by the media clock.

    An incomplete last frame waits for more audio; once `finish` was called it leaves padded with silence.
    """

    def __init__(self, audio: AudioFormat) -> None:
        self._audio = audio
        self._frame_bytes = audio.frame_bytes
        self._chunks: deque[memoryview] = deque()
        self._offset = 0
        self._ending = False
        self.paused = False
        self.queued_bytes = 0
        """Appended, not yet played, not cleared."""
        self.played_bytes = 0
        """Taken by `next_frame` since the start, without padding."""

    @property
    def finished(self) -> bool:
        """`finish` was called and nothing is left to play."""
        return self._ending and not self.queued_bytes

    def append(self, audio: bytes) -> None:
        """Queue whole samples. After `finish` this opens the queue again."""
        self._ending = False
        if audio:
            self._chunks.append(memoryview(audio))
            self.queued_bytes += len(audio)

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
        self._chunks.clear()
        self._offset = 0
        self.queued_bytes = 0
        self._ending = False

    def next_frame(self) -> bytes | None:
        """The next 20 ms, or None while paused or while there is no whole frame to play."""
        wanted = min(self._frame_bytes, self.queued_bytes)
        if self.paused or not wanted or (wanted < self._frame_bytes and not self._ending):
            return None
        self.queued_bytes -= wanted
        self.played_bytes += wanted
        frame = self._take(wanted)
        missing = self._frame_bytes - wanted
        return frame + silence(self._audio, missing) if missing else frame

    def _take(self, wanted: int) -> bytes:
        pieces = []
        while wanted:
            chunk = self._chunks[0]
            end = self._offset + wanted
            if end < len(chunk):
                pieces.append(chunk[self._offset : end])
                self._offset = end
                break
            pieces.append(chunk[self._offset :])
            wanted = end - len(chunk)
            self._chunks.popleft()
            self._offset = 0
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
