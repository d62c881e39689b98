"""Audio a little shorter than it was: a few periods of a voice are missing, or a piece of a silence."""

import numpy as np

from dialtone.media.samples import Samples

MIN_SECONDS = 0.005
"""Least that is cut out."""
BLEND_SECONDS = 0.005


def cut(samples: Samples, rate: int, count: int) -> Samples:
    """`samples` without their first `count`, whose beginning is blended over; for what is quiet anyway."""
    blend = int(rate * BLEND_SECONDS)
    weight = np.arange(1, blend + 1) / (blend + 1)
    shorter = samples[count:].copy()
    shorter[:blend] = samples[:blend] * (1 - weight) + shorter[:blend] * weight
    return shorter


def shorten(samples: Samples, rate: int, most: int) -> Samples:
    """`samples` (40 ms or so, at `rate`) without up to `most` samples, where its two ends resemble each other most.

    Returned as it is where it is too short for that.
    """
    blend = int(rate * BLEND_SECONDS)
    least = int(rate * MIN_SECONDS)
    most = min(most, samples.size - blend)
    if most < least:
        return samples
    # The start goes on after the cut: so the cut must lead to where the signal looks like its own start.
    head = samples[:blend].astype(np.float64)
    reach = samples[least : most + blend].astype(np.float64)
    likeness = np.correlate(reach, head)
    squares = np.concatenate(([0.0], np.cumsum(reach * reach)))
    energy = squares[blend:] - squares[:-blend]
    return cut(samples, rate, least + int(np.argmax(likeness / np.sqrt(np.maximum(energy, 1.0)))))
