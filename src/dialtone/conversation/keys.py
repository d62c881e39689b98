"""Keys that the assistant presses, to find its way through other people's menus."""

from collections import deque
from collections.abc import Callable

from dialtone.lines.base import Line

KEY_SECONDS = 0.24
"""From one key to the next; a line takes 0.2 s for one."""
ECHO_SECONDS = 0.3
"""A key's sound may come back from the far end so long after it."""
PAUSES = {"w": 0.5, "W": 1.0, ",": 2.0}
"""What stands for a pause, in seconds."""


class Keys:
    """Presses `digits` on a line, one after the other. Once begun nothing breaks it off but the end of the call."""

    def __init__(self, digits: str, line: Line, on_done: Callable[[], None]) -> None:
        self._waiting = deque(digits)
        self._line = line
        self._next_at = 0.0
        self.on_done = on_done
        self.echoes_until = 0.0
        """Until then the caller's audio may hold our own keys."""

    def tick(self, now: float) -> bool:
        """Press what is due. Is all of it over?"""
        if now < self._next_at:
            return False
        if not self._waiting:
            return True
        digit = self._waiting.popleft()
        self._next_at = now + PAUSES.get(digit, KEY_SECONDS)
        if digit not in PAUSES:
            self._line.send_dtmf(digit.upper())
            self.echoes_until = self._next_at + ECHO_SECONDS
        return False
