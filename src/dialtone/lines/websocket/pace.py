"""How fast a client may send: audio at the pace of speech, text messages at a modest rate."""

from collections.abc import Callable

from dialtone.lines.websocket.limits import Limits
from dialtone.media.audio import AudioFormat


class Pace:
    """Counts what arrives. The clock is read only when a count is used up, so a frame costs one comparison.

    A client whose network stalled may make up for what it missed, as far back as `Limits.idle_seconds`.
    """

    def __init__(self, audio: AudioFormat, limits: Limits, clock: Callable[[], float]) -> None:
        self._rate = audio.bytes_per_second
        self._limits = limits
        self._clock = clock
        self._since = clock()
        self._received = 0
        self._allowed = limits.ahead_seconds * self._rate
        self._texts_since = self._since
        self._texts = 0

    def take(self, byte_count: int) -> bool:
        """Count audio. False where it is further ahead of real time than allowed."""
        self._received += byte_count
        return self._received <= self._allowed or self._within_real_time()

    def _within_real_time(self) -> bool:
        now = self._clock()
        behind = now - self._since - self._received / self._rate
        if behind > self._limits.idle_seconds:
            self._since += behind - self._limits.idle_seconds
        self._allowed = (now - self._since + self._limits.ahead_seconds) * self._rate
        return self._received <= self._allowed

    def take_text(self) -> bool:
        """Count a text message. False where there are more than allowed in this second."""
        self._texts += 1
        if self._texts <= self._limits.texts_per_second:
            return True
        now = self._clock()
        if now - self._texts_since < 1.0:
            return False
        self._texts_since = now
        self._texts = 1
        return True
