"""What the assistant says and when: the authority on what was really said."""

from collections import deque
from typing import Protocol

from dialtone.conversation.speech import Speech
from dialtone.lines.base import AssistantText, Line


class SpeakingOwner(Protocol):
    def speech_started(self, speech: Speech, at: float) -> None:
        """The first frame of `speech` leaves now."""

    def speech_finished(self, speech: Speech) -> None:
        """The last frame of `speech` has left, or it turned out to hold nothing."""


class Speaker:
    """Plays one speech after the other on a line, 20 ms at a time."""

    def __init__(self, line: Line, owner: SpeakingOwner) -> None:
        self._line = line
        self._owner = owner
        self._speeches: deque[Speech] = deque()
        self._paused = False

    @property
    def busy(self) -> bool:
        """Something is being said, waits to be said, or is paused."""
        return bool(self._speeches)

    def play(self, speech: Speech) -> None:
        """Say `speech` after what is being said now; its audio may still be on the way."""
        self._speeches.append(speech)

    def pause(self) -> None:
        """Stop with the frame that left last."""
        self._paused = True

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        self._paused = False

    def cut(self) -> list[Speech]:
        """Drop everything, here and at the far end; returns what was being said or waited, in order."""
        dropped = list(self._speeches)
        self._speeches.clear()
        self._paused = False
        self._line.clear_audio()
        return dropped

    def tick(self, now: float) -> bytes | None:
        """The frame to send now, or None where the assistant is silent. What is taken counts as said."""
        if not self._speeches or self._paused:
            return None
        speech = self._speeches[0]
        frame = speech.next_frame()
        if frame is None:
            if speech.finished:
                self._speeches.popleft()
                self._owner.speech_finished(speech)
            return None
        if speech.started_at is None:
            speech.started_at = now
            self._owner.speech_started(speech, now)
        while (sentence := speech.take_cue()) is not None:
            self._line.publish(AssistantText(sentence))
        return frame
