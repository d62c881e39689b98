"""A caller who says nothing: ask a few times whether anybody is there, then say goodbye."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from dialtone.conversation.journal import EndReason
from dialtone.conversation.plan import SilencePlan

DEAD_LINE_SECONDS = 600.0
"""A line on which nobody has spoken for this long is ended in any case."""
HINT = "The caller has been silent for a while. Ask in one short sentence whether they are still there."


class Asking(Protocol):
    """See `dialtone.conversation.dialogue`."""

    @property
    def idle(self) -> bool: ...

    def say(self, text: str, *, keep: bool, then: EndReason | None = None) -> None: ...

    def say_something(self, hint: str) -> None: ...


class Silence:
    """Counts the silence of one call and has `dialogue` ask; `hang_up` ends the call."""

    def __init__(self, plan: SilencePlan, dialogue: Asking, hang_up: Callable[[EndReason], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._plan = plan
        self._dialogue = dialogue
        self._hang_up = hang_up
        self._attempts = 0
        self._timer: asyncio.TimerHandle | None = None

    def caller_spoke(self) -> None:
        """A sign of life: the next check is the first one again."""
        self._attempts = 0
        self.activity()

    def activity(self) -> None:
        """Somebody began or stopped to speak: count from now, if the line is quiet."""
        self.stop()
        if not self._dialogue.idle:
            return
        if self._plan.enabled:
            wait = self._plan.interval_seconds if self._attempts else self._plan.first_check_seconds
            self._timer = self._loop.call_later(wait, self._check)
        else:
            self._timer = self._loop.call_later(DEAD_LINE_SECONDS, self._hang_up, "silence_timeout")

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        plan = self._plan
        if self._attempts >= plan.max_attempts:
            self._dialogue.say(plan.final_message or "", keep=True, then="silence_timeout")
            return
        self._attempts += 1
        if plan.messages:
            self._dialogue.say(plan.messages[min(self._attempts, len(plan.messages)) - 1], keep=True)
        else:
            self._dialogue.say_something(HINT)
