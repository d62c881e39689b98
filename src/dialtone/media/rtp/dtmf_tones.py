"""Keys of a telephone as tones within the audio, for a far end that has no events (ITU-T Q.23, Q.24)."""

import numpy as np

from dialtone.media.samples import FULL_SCALE, Samples

LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
_PAD = "123A456B789C*0#D"
LEVEL_DBFS = -12.0
"""Of each of the two tones we send."""
LEAST_DBFS = -38.0
"""Of each of two tones that are taken for a key."""
PURITY = 0.75
"""Share of a frame's power that the two must have: speech has its power in many places."""
TWIST_DB = 9.0
"""How much louder one of the two may be (Q.24 allows 4 dB one way, 8 the other; networks add to it)."""
CLEARANCE = 4.0
"""How many times more power than the next one of its group a tone must have."""
FRAMES = 2
"""So many frames in a row (40 ms) make a key."""


def tone(key: str, start: int, count: int, rate: int) -> Samples:
    """`count` samples of a key's sound, from its sample `start` on."""
    row, column = divmod(_PAD.index(key), 4)
    time = 2 * np.pi * np.arange(start, start + count) / rate
    amplitude = FULL_SCALE * 10 ** (LEVEL_DBFS / 20) * np.sqrt(2)
    both = amplitude * (np.sin(time * LOW[row]) + np.sin(time * HIGH[column]))
    samples: Samples = np.clip(np.rint(both), -32768, 32767).astype(np.int16)
    return samples


class ToneDetector:
    """Hears keys in frames of 20 ms. Each is told once, and again only after a frame without it."""

    def __init__(self, rate: int) -> None:
        self._size = rate // 50
        time = np.arange(self._size)[:, None] / rate
        window = np.hanning(self._size + 2)[1:-1, None]
        turns = 2 * np.pi * time * np.array(LOW + HIGH)
        self._basis = np.concatenate((np.cos(turns), np.sin(turns)), axis=1) * window
        self._gain = 2 / float(window.sum()) ** 2
        """Turns the square of a correlation into the power of the tone."""
        self._candidate: str | None = None
        self._seen = 0

    def hear(self, frame: Samples) -> str | None:
        """The key that this frame makes certain."""
        key = self._key(frame.astype(np.float64)) if frame.size == self._size else None
        if key is None or key != self._candidate:
            self._candidate, self._seen = key, 1
            return None
        self._seen += 1
        return key if self._seen == FRAMES else None

    def _key(self, frame: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> str | None:
        total = float(frame @ frame) / frame.size
        least = (FULL_SCALE * 10 ** (LEAST_DBFS / 20)) ** 2
        if total < 2 * least:
            return None
        parts = (frame @ self._basis) ** 2
        power = ((parts[:8] + parts[8:]) * self._gain).tolist()
        *_, low_rival, low = sorted(power[:4])
        *_, high_rival, high = sorted(power[4:])
        softer, louder = sorted((low, high))
        if (
            softer >= least
            and louder < 10 ** (TWIST_DB / 10) * softer
            and low + high > PURITY * total
            and low > CLEARANCE * low_rival
            and high > CLEARANCE * high_rival
        ):
            return _PAD[4 * power.index(low) + power.index(high, 4) - 4]
        return None
