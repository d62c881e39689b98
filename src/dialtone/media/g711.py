"""G.711, the codec of the telephone network: one byte a sample, logarithmic (ITU-T G.711, 11/1988).

Both directions are table look-ups. The tables come from the standard's piecewise-linear formula: three bits of segment
and four bits of step within it, each segment twice as coarse as the one below.
"""

import numpy as np
from numpy.typing import NDArray

from dialtone.media.samples import Samples

_MULAW_BIAS = 33
"""Added to the 14-bit magnitude so that every segment begins at a power of two."""
_MULAW_CLIP = 8158
"""Everything from here on is the topmost code; the decision value above it would be 8159 (G.711 table 2a)."""


def _mulaw_decode_table() -> Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    segment = (code >> 4) & 7
    magnitude = ((((code & 15) << 1) + _MULAW_BIAS) << segment) - _MULAW_BIAS
    return (np.where(code & 0x80, -magnitude, magnitude) * 4).astype(np.int16)


def _mulaw_encode_table() -> NDArray[np.uint8]:
    value = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 2
    magnitude = np.minimum(np.abs(value), _MULAW_CLIP) + _MULAW_BIAS
    segment = np.frexp(magnitude)[1] - 6
    code: NDArray[np.int32] = (segment << 4) | ((magnitude >> (segment + 1)) & 15)
    return (code ^ np.where(value < 0, 0x7F, 0xFF)).astype(np.uint8)


def _alaw_decode_table() -> Samples:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment = (code >> 4) & 7
    step = ((code & 15) << 1) + 1
    magnitude = np.where(segment == 0, step, (step + 32) << np.maximum(segment - 1, 0))
    return (np.where(code & 0x80, magnitude, -magnitude) * 8).astype(np.int16)


def _alaw_encode_table() -> NDArray[np.uint8]:
    value = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 3
    magnitude = np.where(value < 0, ~value, value)
    segment = np.maximum(np.frexp(magnitude)[1] - 5, 0)
    code: NDArray[np.int32] = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 15)
    return (code ^ np.where(value < 0, 0x55, 0xD5)).astype(np.uint8)


_MULAW_DECODE = _mulaw_decode_table()
_MULAW_ENCODE = _mulaw_encode_table()
_ALAW_DECODE = _alaw_decode_table()
_ALAW_ENCODE = _alaw_encode_table()


def decode_mulaw(data: bytes) -> Samples:
    """16-bit samples of mu-law bytes."""
    return _MULAW_DECODE.take(np.frombuffer(data, np.uint8), mode="clip")  # half the time of an index: no checks


def encode_mulaw(samples: Samples) -> bytes:
    """Mu-law bytes of 16-bit samples."""
    return _MULAW_ENCODE.take(samples.view(np.uint16), mode="clip").tobytes()


def decode_alaw(data: bytes) -> Samples:
    """16-bit samples of A-law bytes."""
    return _ALAW_DECODE.take(np.frombuffer(data, np.uint8), mode="clip")


def encode_alaw(samples: Samples) -> bytes:
    """A-law bytes of 16-bit samples."""
    return _ALAW_ENCODE.take(samples.view(np.uint16), mode="clip").tobytes()
