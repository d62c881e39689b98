"""Digits from the caller's keypad, gathered into one turn: `#` or a pause ends them."""

import asyncio
from collections.abc import Callable

PAUSE_SECONDS = 2.0
TERMINATOR = "#"
MAX_DIGITS = 32


class Keypad:
    """Gathers the digits of one call and gives them to `on_entry`."""

    def __init__(self, on_entry: Callable[[str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_entry = on_entry
        self._digits = ""
        self._timer: asyncio.TimerHandle | None = None

    def press(self, digit: str) -> None:
        self.stop()
        if digit != TERMINATOR:
            self._digits += digit
        if digit == TERMINATOR or len(self._digits) >= MAX_DIGITS:
            self._enter()
        else:
            self._timer = self._loop.call_later(PAUSE_SECONDS, self._enter)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _enter(self) -> None:
        self._timer = None
        digits, self._digits = self._digits, ""
        if digits:
            self._on_entry(digits)
