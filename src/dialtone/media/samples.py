"""Mono audio as numbers, and how loud it is."""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
"""Signed 16-bit mono audio; the rate is known to whoever holds it."""

FULL_SCALE = 32768.0


def rms_dbfs(samples: Samples) -> float:
    """Root-mean-square level in dB below full scale; minus infinity for digital silence or no samples."""
    if not samples.size:
        return float("-inf")
    wide = samples.astype(np.float64)
    power = float(wide @ wide) / samples.size
    return float(10 * np.log10(power / FULL_SCALE**2)) if power else float("-inf")


def peak_dbfs(samples: Samples) -> float:
    """Level of the largest sample in dB below full scale; minus infinity for digital silence or no samples."""
    peak = float(np.abs(samples.astype(np.int32)).max(initial=0))
    return float(20 * np.log10(peak / FULL_SCALE)) if peak else float("-inf")
