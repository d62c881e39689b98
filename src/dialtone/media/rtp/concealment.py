"""Packet loss concealment in the manner of ITU-T G.711 Appendix I: the last pitch periods go on, and fade.

Other than there, nothing is delayed to smooth the way into a loss: the step between the last sample and its
continuation is faded out instead, so that a stream without losses passes untouched and at once.
"""

import numpy as np
from numpy.typing import NDArray

from dialtone.media.samples import Samples

Floats = NDArray[np.float64]

MAX_PITCH_SECONDS = 0.015
MIN_PITCH_SECONDS = 0.005
HISTORY_SECONDS = 0.06
"""How much of what was played last is looked at: three frames."""
FADE_SECONDS = 0.06
"""After this long there is silence."""
FULL_SECONDS = 0.01
"""So long the continuation is as loud as what it continues."""
_MERGE_SECONDS = 0.004
"""Least length of the way back into what was received."""


class Concealment:
    """Continues one stream of audio over a hole. Make one for each hole."""

    def __init__(self, history: Samples, rate: int) -> None:
        """`history`: what was played before the hole, `HISTORY_SECONDS` or less of it, at `rate` (Hz)."""
        self._rate = rate
        self._continued = _continue(history, rate)
        self._at = 0

    def next_samples(self, count: int) -> Samples:
        """The next piece of the hole."""
        return self._take(count).astype(np.int16)

    def merge(self, received: Samples) -> Samples:
        """The first audio after the hole, its beginning blended with the continuation."""
        hole = self._at / self._rate
        size = min(int(self._rate * min(0.01, _MERGE_SECONDS * (1 + hole * 100))), received.size)
        weight = np.arange(1, size + 1) / (size + 1)
        merged = received.copy()
        merged[:size] = received[:size] * weight + self._take(size) * (1 - weight)
        return merged

    def _take(self, size: int) -> Floats:
        taken = self._continued[self._at : self._at + size]
        self._at += size
        return taken if taken.size == size else np.concatenate((taken, np.zeros(size - taken.size)))


def _continue(history: Samples, rate: int) -> Floats:
    """The continuation of `history` until it has faded."""
    size = int(rate * FADE_SECONDS)
    longest = int(rate * MAX_PITCH_SECONDS)
    if history.size < 4 * longest:
        history = np.concatenate((np.zeros(4 * longest - history.size, np.int16), history))
    past = history.astype(np.float64)
    pitch = _pitch(past, int(rate * MIN_PITCH_SECONDS), longest)
    # One period first; then three, in phase with it, because a single one repeated for longer sounds like a buzzer.
    full = int(rate * FULL_SECONDS)
    continued = np.resize(_loop(past, pitch, pitch), size)
    varied = np.resize(np.roll(_loop(past, 3 * pitch, pitch), -(full % pitch)), size - full)
    blend = np.minimum(np.arange(1, varied.size + 1) / (pitch // 4), 1.0)
    continued[full:] = continued[full:] * (1 - blend) + varied * blend
    step = past[-1] - past[-pitch - 1]
    quarter = pitch // 4
    continued[:quarter] += step * (1 - np.arange(1, quarter + 1) / (quarter + 1))
    continued[full:] *= np.linspace(1.0, 0.0, size - full)
    return np.clip(continued, -32768, 32767)


def _loop(past: Floats, length: int, pitch: int) -> Floats:
    """The last `length` samples, whose end leads smoothly into their beginning."""
    loop = past[-length:].copy()
    quarter = min(pitch // 4, past.size - length)
    if quarter:
        weight = np.arange(1, quarter + 1) / (quarter + 1)
        loop[-quarter:] = loop[-quarter:] * (1 - weight) + past[-length - quarter : -length] * weight
    return loop


def _pitch(past: Floats, shortest: int, longest: int) -> int:
    """The lag at which the last 10 ms resemble most what was before them (longer ones follow a voice less well)."""
    template = past[-longest * 2 // 3 :]
    reach = past[-template.size - longest : -shortest]
    likeness = np.correlate(reach, template)  # lag `longest` first
    squares = np.concatenate(([0.0], np.cumsum(reach * reach)))
    energy = squares[template.size :] - squares[: -template.size]
    return longest - int(np.argmax(likeness / np.sqrt(np.maximum(energy, 1.0))))
