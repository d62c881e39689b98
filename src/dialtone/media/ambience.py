"""Ambiences: what is heard around an assistant that seems to sit somewhere. Endless loops, made once and kept."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

import numpy as np

from dialtone.media import ambience_scenes
from dialtone.media.ambience_sounds import LOOP_SAMPLES, LOOP_SECONDS, RATE, Track
from dialtone.media.samples import FULL_SCALE, Samples

Clip = Literal["office", "city", "forest", "crowded_room"]

LEVEL_DBFS = -26.0
"""Root-mean-square level of every clip within the telephone band, in dB re full scale; speech is some 6 dB above."""
PEAK = 0.7 * FULL_SCALE
"""No sample of a clip is larger, so that even the nearest key leaves room for the voice."""
TELEPHONE_BAND = (300.0, 3400.0)
"""In Hz. What lies outside is hardly heard on a phone and does not count for the level."""
MAX_LOOPS = 12
"""Loops kept in memory: four clips at three rates, under 8 MB."""

_SCENES: dict[Clip, Callable[[np.random.Generator], Track]] = {
    "office": ambience_scenes.office,
    "city": ambience_scenes.city,
    "forest": ambience_scenes.forest,
    "crowded_room": ambience_scenes.crowded_room,
}


def make_loop(clip: Clip, sample_rate: int) -> Samples:
    """The loop of `clip` at `sample_rate` Hz (up to 24000): 24 seconds whose end joins their start, the same each time.

    Takes up to a second of computing; keep it off the event loop.
    """
    track = _SCENES[clip](np.random.default_rng(sum(clip.encode())))
    spectrum = np.fft.rfft(track)
    hz = np.fft.rfftfreq(LOOP_SAMPLES, 1 / RATE)
    heard = np.where((hz >= TELEPHONE_BAND[0]) & (hz <= TELEPHONE_BAND[1]), spectrum, 0)
    level = np.sqrt(np.mean(np.fft.irfft(heard, LOOP_SAMPLES) ** 2))
    # Cutting the spectrum of a circular track resamples it exactly, and it stays circular. It fades out from 93 %
    # to 98 % of the new band, lest the cut ring.
    size = LOOP_SECONDS * sample_rate
    nyquist = sample_rate / 2
    kept = (spectrum * np.clip((0.98 - hz / nyquist) / 0.05, 0, 1))[: size // 2 + 1]
    loop = np.fft.irfft(kept, size) * (size / LOOP_SAMPLES)
    loop *= FULL_SCALE * 10 ** (LEVEL_DBFS / 20) / level
    return (PEAK * np.tanh(loop / PEAK)).astype(np.int16)


class AmbienceLibrary:
    """The loops of one process, each made in a worker thread when it is first asked for. Used on one event loop."""

    def __init__(self) -> None:
        self._loops: OrderedDict[tuple[Clip, int], Samples] = OrderedDict()
        self._making = asyncio.Lock()

    async def loop(self, clip: Clip, sample_rate: int) -> Samples:
        """See `make_loop`. One loop is made at a time, and never occupies more than one thread."""
        key = (clip, sample_rate)
        if key not in self._loops:
            async with self._making:
                if key not in self._loops:
                    self._loops[key] = await asyncio.to_thread(make_loop, clip, sample_rate)
                    if len(self._loops) > MAX_LOOPS:
                        self._loops.popitem(last=False)
        self._loops.move_to_end(key)
        return self._loops[key]
