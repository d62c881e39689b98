"""G.711 mu-law encoding, independent of the code under measurement."""

import numpy as np
from numpy.typing import NDArray

_BIAS = 0x84
_CLIP = 32635


def encode(samples: NDArray[np.int16]) -> bytes:
    """16-bit samples as mu-law, one byte each (ITU-T G.711 section 3, with bits inverted for the line)."""
    magnitude = np.minimum(np.abs(samples.astype(np.int32)), _CLIP) + _BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    encoded: NDArray[np.uint8] = (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8)
    return encoded.tobytes()
