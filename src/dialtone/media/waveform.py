"""The outline of a recording, for drawing."""

import numpy as np

from dialtone.media.samples import Samples


def envelope(samples: Samples, columns: int) -> tuple[Samples, Samples]:
    """Smallest and largest sample in each of `columns` equal stretches; zeros where there are no samples.

    With fewer samples than columns, neighbouring columns show the same sample. Raises `ValueError` for no columns.
    """
    if columns < 1:
        raise ValueError(f"a waveform needs at least one column (got {columns})")
    if not samples.size:
        return np.zeros(columns, np.int16), np.zeros(columns, np.int16)
    starts = np.arange(columns) * samples.size // columns
    return np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
