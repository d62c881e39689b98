"""G.722, 7 kHz of speech in 64 kbit/s (ITU-T G.722, mode 1), by the optional package `G722`."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from dialtone.media.audio import PCM_16K
from dialtone.media.rtp.octet_stream import OctetStream

_BIT_RATE = 64000


@cache
def is_available() -> bool:
    """Whether the package is installed."""
    return find_spec("G722") is not None


class G722(OctetStream):
    """One stream in both directions."""

    audio = PCM_16K
    clock_rate = 8000
    """Not the sample rate, by an old mistake that is kept (RFC 3551 section 4.5.2)."""

    def __init__(self) -> None:
        coder: Any = import_module("G722").G722
        self._decoder = coder(PCM_16K.sample_rate, _BIT_RATE)
        self._encoder = coder(PCM_16K.sample_rate, _BIT_RATE)

    def duration(self, payload: bytes) -> int:
        return len(payload)

    def decode(self, payload: bytes) -> bytes:
        return np.asarray(self._decoder.decode(payload)).astype("<i2", copy=False).tobytes()

    def encode(self, frame: bytes) -> bytes:
        return bytes(self._encoder.encode(np.frombuffer(frame, "<i2")))
