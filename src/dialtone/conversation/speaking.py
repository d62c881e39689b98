"""What the assistant says and when: the authority on what was really said."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from dialtone.conversation.keys import Keys
from dialtone.conversation.speech import Speech
from dialtone.lines.base import AssistantText, Line


class SpeakingOwner(Protocol):
    def speech_started(self, speech: Speech, at: float) -> None:
        """The first frame of `speech` leaves now."""

    def speech_finished(self, speech: Speech) -> None:
        """The last frame of `speech` has left, or it turned out to hold nothing."""


class Speaker:
    """Plays one speech after the other on a line, 20 ms at a time, and presses keys between them."""

    def __init__(self, line: Line, owner: SpeakingOwner) -> None:
        self._line = line
        self._owner = owner
        self._queue: deque[Speech | Keys] = deque()
        self._paused = False
        self._echoes_until = 0.0

    @property
    def busy(self) -> bool:
        """Something is being said or pressed, waits to be, or is paused."""
        return bool(self._queue)

    @property
    def talking(self) -> bool:
        """Something is being said, waits to be said, or is paused."""
        return any(isinstance(item, Speech) for item in self._queue)

    def hears_itself(self, now: float) -> bool:
        """Whether what comes from the far end now may be the sound of our own keys."""
        return now < self._echoes_until

    def play(self, speech: Speech) -> None:
        """Say `speech` after what is being said now; its audio may still be on the way."""
        self._queue.append(speech)

    def press(self, digits: str, on_done: Callable[[], None]) -> None:
        """Press keys after what is being said now, whatever the caller does meanwhile, and call `on_done`."""
        self._queue.append(Keys(digits, self._line, on_done))

    def pause(self) -> None:
        """Stop with the frame that left last."""
        self._paused = True

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        self._paused = False

    def cut(self) -> list[Speech]:
        """Drop all speech, here and at the far end; returns what was being said or waited, in order."""
        dropped = [item for item in self._queue if isinstance(item, Speech)]
        self._queue = deque(item for item in self._queue if isinstance(item, Keys))
        self._paused = False
        self._line.clear_audio()
        return dropped

    def tick(self, now: float) -> bytes | None:
        """The frame to send now, or None where the assistant is silent. What is taken counts as said."""
        speech = self._queue[0] if self._queue else None
        if isinstance(speech, Keys):
            self._press(speech, now)
            return None
        if speech is None or self._paused:
            return None
        frame = speech.next_frame()
        if frame is None:
            if speech.finished:
                self._queue.popleft()
                self._owner.speech_finished(speech)
            return None
        if speech.started_at is None:
            speech.started_at = now
            self._owner.speech_started(speech, now)
        while (sentence := speech.take_cue()) is not None:
            self._line.publish(AssistantText(sentence))
        return frame

    def _press(self, keys: Keys, now: float) -> None:
        over = keys.tick(now)
        self._echoes_until = max(self._echoes_until, keys.echoes_until)
        if over:
            self._queue.popleft()
            keys.on_done()
