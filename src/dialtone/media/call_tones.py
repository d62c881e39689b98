"""What a caller hears while somebody else is being called, and while they are kept waiting."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dialtone.media.audio import AudioFormat
from dialtone.media.convert import encode
from dialtone.media.samples import FULL_SCALE

FADE_SECONDS = 0.005
"""A tone that begins and ends at once would click."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """Tones (in Hz, 0 = silence) and how long each lasts, in whole frames of 20 ms; they repeat for ever."""

    steps: tuple[tuple[float, float], ...]
    level_dbfs: float


RINGBACK = Cadence(((425.0, 1.0), (0.0, 4.0)), -16.0)
"""The ringing tone of most of Europe (ITU-T E.180 supplement 2)."""
HOLD = Cadence(((440.0, 0.2), (0.0, 0.1), (554.0, 0.2), (0.0, 4.5)), -26.0)
"""A soft sign now and then that the line is still there."""


class Tone:
    """A cadence on one line."""

    def __init__(self, cadence: Cadence, audio: AudioFormat) -> None:
        self._loop = _loop(cadence, audio)
        self._frame_bytes = audio.frame_bytes
        self._at = 0

    def tick(self, now: float) -> bytes:
        """The next 20 ms."""
        frame = self._loop[self._at : self._at + self._frame_bytes]
        self._at = (self._at + self._frame_bytes) % len(self._loop)
        return frame


@lru_cache(maxsize=8)
def _loop(cadence: Cadence, audio: AudioFormat) -> bytes:
    """One round in the encoding of `audio`."""
    rate = audio.sample_rate
    amplitude = FULL_SCALE * 10 ** (cadence.level_dbfs / 20)
    pieces = []
    for hz, seconds in cadence.steps:
        size = round(seconds * 50) * (rate // 50)
        edge = np.clip(np.minimum(np.arange(size), np.arange(size)[::-1]) / (FADE_SECONDS * rate), 0, 1)
        pieces.append(amplitude * edge * np.sin(2 * np.pi * hz * np.arange(size) / rate))
    return encode(np.concatenate(pieces).astype(np.int16), audio)
