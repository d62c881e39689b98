"""An endless loop laid under a stream of frames."""

import numpy as np

from dialtone.media.audio import AudioFormat
from dialtone.media.convert import decode, encode
from dialtone.media.samples import Samples

FADE_FRAMES = 50
"""The loop comes in over this many frames, one second, instead of starting with a jolt."""
_SHIFT = 15
_LOUDEST, _LOWEST = np.int32(32767), np.int32(-32768)


class LoopMixer:
    """Mixes `loop` under the frames of one call, in the encoding of `audio`; the loop is at that format's rate.

    `volume` (0 to 1) scales the loop, `start` is the sample to begin at. Sums beyond 16 bits are held at the limit.
    """

    def __init__(self, loop: Samples, volume: float, audio: AudioFormat, start: int = 0) -> None:
        self._audio = audio
        self._size = audio.sample_rate // 50
        self._loop = loop
        self._position = start % len(loop)
        self._volume = round(volume * (1 << _SHIFT))
        self._faded_in = 0
        self._sum = np.empty(self._size, np.int32)

    def next_frame(self, over: bytes | None) -> bytes:
        """The next 20 ms of the loop, with the 20 ms frame `over` on top if there is one."""
        total = self._sum
        np.multiply(self._next_piece(), self._next_volume(), out=total, dtype=np.int32)
        np.right_shift(total, _SHIFT, out=total)
        if over is not None:
            np.add(total, decode(over, self._audio), out=total)
            np.minimum(total, _LOUDEST, out=total)
            np.maximum(total, _LOWEST, out=total)
        return encode(total.astype(np.int16), self._audio)

    def _next_piece(self) -> Samples:
        end = self._position + self._size
        piece = self._loop[self._position : end]
        if len(piece) < self._size:
            piece = self._loop.take(range(self._position, end), mode="wrap")
        self._position = end % len(self._loop)
        return piece

    def _next_volume(self) -> int:
        if self._faded_in < FADE_FRAMES:
            self._faded_in += 1
            return self._volume * self._faded_in // FADE_FRAMES
        return self._volume
