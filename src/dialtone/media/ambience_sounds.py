"""What ambiences are made of: shaped noise, slow curves, grains laid on a track, and an echoing room.

Every operation is circular, time wraps from the end of the track to its start, so whatever is made here repeats without
a seam.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Track = NDArray[np.float64]
Frequencies = NDArray[np.floating]
"""In Hz."""

RATE = 24000
"""Samples a second of everything made here."""
LOOP_SECONDS = 24
LOOP_SAMPLES = LOOP_SECONDS * RATE


def silent_track() -> Track:
    return np.zeros(LOOP_SAMPLES)


def noise(random: np.random.Generator, gain: Callable[[Frequencies], Track]) -> Track:
    """A track of noise with the spectrum `gain`, at a root-mean-square of 1."""
    frequencies = np.fft.rfftfreq(LOOP_SAMPLES, 1 / RATE)
    phases = random.uniform(0, 2 * np.pi, frequencies.size)
    spectrum = gain(frequencies) * np.exp(1j * phases)
    spectrum[0] = 0
    track: Track = np.fft.irfft(spectrum, LOOP_SAMPLES)
    track /= np.sqrt(np.mean(track**2))
    return track


def slow_curve(random: np.random.Generator, seconds: float) -> Track:
    """A smooth random curve around 0 with a root-mean-square of 1; `seconds` is its shortest period."""
    return noise(random, lambda hz: np.where(hz <= 1 / seconds, 1.0, 0.0))


def band(hz: Frequencies, low: float, high: float) -> Track:
    """A gain that is 1 between `low` and `high` Hz and falls by 12 dB an octave outside."""
    above = (hz / low) ** 2
    below = (hz / high) ** 2
    gain: Track = above / (1 + above) / (1 + below)
    return gain


def times(seconds: float) -> Track:
    """Sample times from 0 up to `seconds`."""
    return np.arange(int(seconds * RATE)) / RATE


def tone(hz: Track) -> Track:
    """A sine that follows the frequencies `hz`, one a sample."""
    sine: Track = np.sin(2 * np.pi * np.cumsum(hz) / RATE)
    return sine


def resonance(random: np.random.Generator, hz: float, decay_seconds: float) -> Track:
    """Something hard that is struck: a short burst of noise and a tone, dying away together."""
    at = times(6 * decay_seconds)
    return (np.sin(2 * np.pi * hz * at) + 0.7 * random.standard_normal(at.size)) * np.exp(-at / decay_seconds)


def arch(size: int) -> Track:
    """A window that rises from 0 and falls back to it, flat for half of its length."""
    edge = np.minimum(np.linspace(0, 4, size), np.linspace(4, 0, size)).clip(0, 1)
    window: Track = 0.5 - 0.5 * np.cos(np.pi * edge)
    return window


def lay(track: Track, at_seconds: float, grain: Track, gain: float = 1.0) -> None:
    """Add `grain` to `track`; what reaches over the end goes on at the start."""
    start = int(at_seconds * RATE) % LOOP_SAMPLES
    fits = min(grain.size, LOOP_SAMPLES - start)
    track[start : start + fits] += gain * grain[:fits]
    track[: grain.size - fits] += gain * grain[fits:]


def in_room(random: np.random.Generator, track: Track, decay_seconds: float, wet: float) -> Track:
    """`track` with its echo in a room whose sound dies away in `decay_seconds`; `wet` is the echo's share, 0 to 1."""
    at = times(4 * decay_seconds)
    echo = silent_track()
    echo[: at.size] = random.standard_normal(at.size) * np.exp(-at / decay_seconds)
    spectrum = np.fft.rfft(echo)
    # Walls swallow the high frequencies first.
    spectrum *= 1 / (1 + np.fft.rfftfreq(LOOP_SAMPLES, 1 / RATE) / 2000)
    spectrum /= np.sqrt(np.sum(echo**2))
    return (1 - wet) * track + wet * np.fft.irfft(np.fft.rfft(track) * spectrum, LOOP_SAMPLES)


def far(track: Track, cutoff_hz: float) -> Track:
    """`track` as from a distance: what lies above `cutoff_hz` falls by 12 dB an octave."""
    gain = 1 / (1 + (np.fft.rfftfreq(LOOP_SAMPLES, 1 / RATE) / cutoff_hz) ** 2)
    return np.fft.irfft(np.fft.rfft(track) * gain, LOOP_SAMPLES)
