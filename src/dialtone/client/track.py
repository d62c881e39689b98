"""Audio laid on a time line as it was heard, and the stereo file made of two of them."""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dialtone.media.audio import AudioFormat
from dialtone.media.convert import decode

Samples = npt.NDArray[np.int16]


_JITTER_SECONDS = 0.08
"""A piece that comes this much late or less follows the one before without a gap, as a jitter buffer plays it."""


class Track:
    """One voice of a call. What arrives before the last piece was played out is played after it."""

    def __init__(self, audio: AudioFormat) -> None:
        self._audio = audio
        self._pieces: list[tuple[int, bytes]] = []
        self._end = 0
        self._jitter = int(_JITTER_SECONDS * audio.sample_rate)

    def add(self, at: float, audio: bytes) -> None:
        """`audio` begins at `at` seconds of the call."""
        start = round(at * self._audio.sample_rate)
        if start < self._end + self._jitter:
            start = self._end
        self._pieces.append((start, audio))
        self._end = start + len(audio) // self._audio.sample_bytes

    @property
    def seconds(self) -> float:
        """Where the last piece ends."""
        return self._end / self._audio.sample_rate

    def samples(self) -> Samples:
        """The whole track from the call's beginning, silence where nothing was heard."""
        track = np.zeros(self._end, dtype=np.int16)
        for start, audio in self._pieces:
            piece = decode(audio, self._audio)
            track[start : start + len(piece)] = piece
        return track


def write_stereo(path: Path, left: Samples, right: Samples, sample_rate: int) -> None:
    """Write a 16-bit stereo WAV; the shorter channel is filled with silence. Raises `OSError`."""
    both = np.zeros((max(len(left), len(right)), 2), dtype="<i2")
    both[: len(left), 0] = left
    both[: len(right), 1] = right
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(both.tobytes())
