"""Change of sample rate by a polyphase low-pass filter, in a stream.

Kaiser-windowed sinc, linear phase. The pass band reaches 85 % of the lower Nyquist frequency (3.4 kHz of telephone
speech at 8 kHz), the stop band begins at that Nyquist frequency, 70 dB down. Coefficients are whole numbers and sums
are done in doubles, which hold them exactly: the output is the same, bit for bit, however the input is cut.
"""

from dataclasses import dataclass
from functools import cache
from math import ceil, gcd, pi

import numpy as np
from numpy.typing import NDArray

from dialtone.media.samples import Samples

_PASS_BAND = 0.85
_STOP_BAND_DB = 70.0
_COEFFICIENT_SCALE = 2**20
_BLOCK_OUTPUTS = 32
"""About how many outputs one row of the matrix product makes."""
_MAX_PRODUCT = 200_000
"""Multiplications per matrix product: OpenBLAS stays on the calling thread below 2**18."""


@dataclass(frozen=True, slots=True)
class _Filter:
    up: int
    down: int
    taps: int
    """Input samples that one output looks at."""
    centre: int
    """Delay of the filter, in samples at `up` times the input rate."""
    block_in: int
    block_out: int
    matrix: NDArray[np.float64]
    """`block_in + taps` consecutive inputs times this are `block_out` consecutive outputs."""

    @property
    def rows_at_once(self) -> int:
        return max(1, _MAX_PRODUCT // self.matrix.size)


def _prototype(up: int, lower: float) -> tuple[NDArray[np.float64], int]:
    """The low-pass at `up` times the input rate, and its centre. `lower`: lower Nyquist over that rate's Nyquist."""
    transition = pi * lower * (1 - _PASS_BAND)
    centre = ceil((_STOP_BAND_DB - 7.95) / (2.285 * transition) / 2)
    beta = 0.1102 * (_STOP_BAND_DB - 8.7)
    cutoff = lower * (1 + _PASS_BAND) / 2
    offsets = np.arange(-centre, centre + 1)
    return np.sinc(cutoff * offsets) * np.kaiser(2 * centre + 1, beta), centre


@cache
def _design(in_rate: int, out_rate: int) -> _Filter:
    divisor = gcd(in_rate, out_rate)
    up, down = out_rate // divisor, in_rate // divisor
    prototype, centre = _prototype(up, min(1.0, out_rate / in_rate) / up)
    taps = ceil(prototype.size / up)
    phases = np.zeros(taps * up)
    phases[: prototype.size] = prototype
    phases = phases.reshape(taps, up).T[:, ::-1]
    phases = np.rint(phases / phases.sum(axis=1, keepdims=True) * _COEFFICIENT_SCALE)
    repeats = max(1, round(_BLOCK_OUTPUTS / up))
    block_in, block_out = down * repeats, up * repeats
    matrix = np.zeros((block_in + taps, block_out))
    for output in range(block_out):
        start, phase = divmod(centre % up + output * down, up)
        matrix[start : start + taps, output] = phases[phase]
    return _Filter(up, down, taps, centre, block_in, block_out, matrix)


class Resampler:
    """Resamples one stream of mono audio from `in_rate` to `out_rate` (Hz).

    The output lies in time where the input did: sample 0 is sample 0. It lags by `latency` seconds because the filter
    looks that far ahead; `flush` gives out the rest. Over a whole stream n samples become ceil(n * out_rate / in_rate).
    """

    def __init__(self, in_rate: int, out_rate: int) -> None:
        if in_rate <= 0 or out_rate <= 0:
            raise ValueError(f"sample rates must be positive (got {in_rate} and {out_rate})")
        self._filter = _design(in_rate, out_rate)
        self.latency = self._filter.centre / self._filter.up / in_rate
        self._reset()

    def _reset(self) -> None:
        design = self._filter
        ahead = design.centre // design.up
        self._buffer: NDArray[np.float64] = np.zeros(design.taps - 1 - ahead)
        self._skip = 0
        self._taken = 0
        self._given = 0

    def process(self, samples: Samples) -> Samples:
        """What can be said after `samples`: of about their length, fewer at the start of a stream."""
        design = self._filter
        self._taken += samples.size
        self._buffer = np.concatenate((self._buffer, samples))
        first = design.centre % design.up + self._skip * design.down
        reach = (self._buffer.size - design.taps + 1) * design.up - 1 - first
        if reach < 0:
            return np.zeros(0, np.int16)
        return self._produce(reach // design.down + 1)

    def flush(self) -> Samples:
        """The last samples of the stream; afterwards the resampler is as new."""
        design = self._filter
        missing = -(-self._taken * design.up // design.down) - self._given
        self._buffer = np.concatenate((self._buffer, np.zeros(design.taps + design.down // design.up + 1)))
        rest = self._produce(missing) if missing else np.zeros(0, np.int16)
        self._reset()
        return rest

    def _produce(self, count: int) -> Samples:
        design = self._filter
        rows = -(-(self._skip + count) // design.block_out)
        width = design.matrix.shape[0]
        needed = (rows - 1) * design.block_in + width
        buffer = self._buffer
        if buffer.size < needed:
            buffer = np.concatenate((buffer, np.zeros(needed - buffer.size)))
        windows = np.lib.stride_tricks.as_strided(
            buffer, (rows, width), (design.block_in * buffer.itemsize, buffer.itemsize)
        )
        step = design.rows_at_once
        sums = np.concatenate([windows[row : row + step] @ design.matrix for row in range(0, rows, step)])
        wanted = sums.reshape(-1)[self._skip : self._skip + count]
        blocks, self._skip = divmod(self._skip + count, design.block_out)
        self._buffer = self._buffer[blocks * design.block_in :]
        self._given += count
        return np.clip(np.rint(wanted / _COEFFICIENT_SCALE), -32768, 32767).astype(np.int16)
