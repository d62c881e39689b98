"""An energy gate that spares the voice activity model windows which hold nothing but a steady noise floor."""

import numpy as np

from dialtone.media.samples import FULL_SCALE, Samples

MARGIN_DB = 6.0
"""A window whose loudest part is within this of the noise floor is floor."""
HANG_WINDOWS = 12
"""Windows that still go to the model after the last loud or voiced one, so that soft endings are heard."""
LOWEST_FLOOR_DBFS = -70.0
_PARTS = 4
_TINY = 1e-12
_FALL = 0.3
_RISE = 0.1
_LARGEST_RISE_DB = 0.5


def loudest_parts_dbfs(windows: Samples) -> list[float]:
    """RMS level of the loudest quarter of each row, so that an onset at the very end of a window still counts."""
    count, size = windows.shape
    squares = np.square(windows, dtype=np.float32).reshape(count, _PARTS, size // _PARTS)
    power = squares.sum(axis=2).max(axis=1) * (_PARTS / size / FULL_SCALE**2)
    return (10 * np.log10(power + _TINY)).tolist()  # type: ignore[no-any-return]


class EnergyGate:
    """Follows one channel's noise floor. It learns only from windows without voice, so speech never lifts it far.

    It begins open: until a first window was found to be without voice, nothing is known about the floor.
    """

    def __init__(self) -> None:
        self._floor: float | None = None
        self._hang = HANG_WINDOWS

    def admits(self, level: float, voiced: bool) -> bool:
        """Whether the model must hear a window of `level` dBFS. `voiced`: the channel's latest known state."""
        if self._floor is None or voiced or level > self._floor + MARGIN_DB:
            self._hang = HANG_WINDOWS
            return True
        if self._hang:
            self._hang -= 1
            return True
        self.learn(level)
        return False

    def learn(self, level: float) -> None:
        """A window of `level` dBFS held no voice. The floor falls fast and rises slowly."""
        if self._floor is None:
            self._floor = level
        elif level < self._floor:
            self._floor += _FALL * (level - self._floor)
        else:
            self._floor += min(_RISE * (level - self._floor), _LARGEST_RISE_DB)
        self._floor = max(self._floor, LOWEST_FLOOR_DBFS)
