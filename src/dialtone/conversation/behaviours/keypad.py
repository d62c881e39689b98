"""Digits from the caller's keypad, gathered into one entry: a key, a pause or their number ends them."""

import asyncio
from collections.abc import Callable

from dialtone.conversation.plan import KeypadPlan


class Keypad:
    """Gathers the digits of one call and gives them to `on_entry`."""

    def __init__(self, plan: KeypadPlan, on_entry: Callable[[str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._plan = plan
        self._on_entry = on_entry
        self._digits = ""
        self._timer: asyncio.TimerHandle | None = None

    def press(self, digit: str) -> None:
        """A key. The terminator alone is an entry too: "press # to go on"."""
        self.stop()
        ends = digit == self._plan.terminator
        if not ends or not self._digits:
            self._digits += digit
        if ends or len(self._digits) >= self._plan.max_digits:
            self._enter()
        else:
            self._timer = self._loop.call_later(self._plan.timeout, self._enter)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _enter(self) -> None:
        self._timer = None
        digits, self._digits = self._digits, ""
        self._on_entry(digits)
