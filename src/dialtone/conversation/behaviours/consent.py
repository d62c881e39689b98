"""Asks the caller, before anything else, whether the call may be recorded: 1 is yes, 2 is no.

Until the answer nobody listens: this plays a text and waits for keys.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from dialtone.conversation.journal import EndReason
from dialtone.conversation.speaking import Speaker
from dialtone.conversation.speech import Speech
from dialtone.lines.base import Line
from dialtone.providers.base import ProviderError

YES, NO = "1", "2"
"""Other keys are no answer."""
ANSWER_SECONDS = 10.0
"""How long the caller has for an answer once the text was said."""
TIMES_ASKED = 2


class ConsentOwner(Protocol):
    def consented(self) -> None:
        """The caller agrees."""

    def hang_up(self, reason: EndReason) -> None:
        """The caller does not agree, or does not answer."""

    def vendor_failed(self, error: ProviderError) -> None:
        """The caller can't be asked."""


class Consent:
    """The question of one call. `speak` makes its speech, anew each time it is asked."""

    def __init__(self, line: Line, speak: Callable[[], Speech], owner: ConsentOwner) -> None:
        self._loop = asyncio.get_running_loop()
        self._speak = speak
        self._owner = owner
        self._asked = 0
        self._heard = False
        self._over = False
        self._timer: asyncio.TimerHandle | None = None
        self.speaker = Speaker(line, self)

    def ask(self) -> None:
        self._asked += 1
        self.speaker.play(self._speak())

    def press(self, digit: str) -> None:
        """The caller pressed a key, also while the text is still being said. Before that it answers nothing: it may be
        the last of a menu, or of the number that was dialled.
        """
        if self._over or not self._heard or digit not in (YES, NO):
            return
        self.stop()
        if digit == YES:
            self._owner.consented()
        else:
            self._owner.hang_up("consent_declined")

    def stop(self) -> None:
        """Ask no more, and fall silent. Idempotent."""
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.speaker.cut()

    def speech_started(self, speech: Speech, at: float) -> None:
        self._heard = True

    def speech_finished(self, speech: Speech) -> None:
        if self._over:
            return
        if speech.error is not None:
            self._owner.vendor_failed(speech.error)
        else:
            self._timer = self._loop.call_later(ANSWER_SECONDS, self._unanswered)

    def _unanswered(self) -> None:
        self._timer = None
        if self._asked < TIMES_ASKED:
            self.ask()
        else:
            self.stop()
            self._owner.hang_up("consent_timeout")
