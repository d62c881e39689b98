"""Cuts the silence with which many voices begin: the caller would only hear it as a slower answer."""

import numpy as np

from dialtone.media.audio import AudioFormat
from dialtone.media.convert import decode
from dialtone.media.samples import FULL_SCALE

QUIET = FULL_SCALE * 10 ** (-46 / 20)
"""Samples below -46 dBFS count as silence."""
KEPT_SECONDS = 0.020
"""Silence left before the first sound, so that a soft onset is not cut."""


class LeadingSilence:
    """Feed it one stream of whole samples in order; what comes back begins shortly before the first sound."""

    def __init__(self, audio: AudioFormat) -> None:
        self._audio = audio
        self._kept_bytes = int(KEPT_SECONDS * audio.sample_rate) * audio.sample_bytes
        self._held = b""
        self._begun = False

    def process(self, data: bytes) -> bytes:
        """`data` without leading silence; everything, once the first sound has come."""
        if self._begun:
            return data
        data = self._held + data
        loud = np.flatnonzero(np.abs(decode(data, self._audio).astype(np.int32)) > QUIET)
        if not loud.size:
            self._held = data[-self._kept_bytes :]
            return b""
        self._begun, self._held = True, b""
        return data[max(0, int(loud[0]) * self._audio.sample_bytes - self._kept_bytes) :]
