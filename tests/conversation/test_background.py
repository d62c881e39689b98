"""The ambience of a call in virtual time: when it is heard, and that nothing else changes by it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dialtone.conversation.plan import BackgroundPlan
from dialtone.media.ambience import AmbienceLibrary, Clip
from dialtone.media.audio import MULAW_8K, AudioFormat
from dialtone.media.convert import decode, encode
from dialtone.media.samples import Samples
from dialtone.providers.base import ProviderError
from tests.conversation.stage import Noise, Notes, Says, Stage

AMBIENCE = 2000
"""What a constant clip is at the volume used here."""
VOICE = b"\x10" * 160
"""A frame of the scripted voice."""
QUIET = encode(np.full(160, AMBIENCE, np.int16), MULAW_8K)
MIXED = encode(decode(VOICE, MULAW_8K) + np.int16(AMBIENCE), MULAW_8K)
GREETING = "Hello, this is Luigi, what may I do for you today?"
LONG = "We are open on Monday. We are open on Tuesday. We are closed on Wednesday, but open on all other days."


class Library(AmbienceLibrary):
    """A constant clip after `seconds`, or a failure."""

    def __init__(self, seconds: float = 0.0, error: Exception | None = None) -> None:
        super().__init__()
        self._seconds, self._error = seconds, error
        self.asked: list[tuple[Clip, int]] = []

    async def loop(self, clip: Clip, sample_rate: int) -> Samples:
        self.asked.append((clip, sample_rate))
        await asyncio.sleep(self._seconds)
        if self._error is not None:
            raise self._error
        return np.full(24 * sample_rate, 2 * AMBIENCE, np.int16)


class Ears(Notes):
    """Keeps the frames themselves as well."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[float, bytes]] = []

    def send_audio(self, frame: bytes) -> None:
        super().send_audio(frame)
        self.sent.append((self.now(), frame))

    def voiced(self, after: float) -> list[float]:
        """When frames left that hold more than ambience."""
        return [at for at, frame in self.sent if at > after and frame != QUIET]

    def kinds(self, start: float, end: float) -> set[bytes]:
        return {frame for at, frame in self.sent if start <= at < end}


class MemoryRecorder:
    def __init__(self) -> None:
        self.right: list[bytes | None] = []

    def open(self, path: Path, audio: AudioFormat, on_failure: Callable[[str], None]) -> "MemoryRecorder":
        return self

    def write(self, left: bytes | None, right: bytes | None) -> None:
        self.right.append(right)

    async def close(self) -> float:
        return 0.0


def stage(*script: Says | Noise, library: Library | None = None, **plan: Any) -> tuple[Stage, Ears]:
    made = Stage(*script, background=BackgroundPlan("forest", 0.5), **plan)
    made.ambience = library or Library()
    made.notes = ears = Ears()
    return made, ears


def test_a_frame_leaves_at_every_tick_with_or_without_the_voice() -> None:
    library = Library()
    call, ears = stage(first_message=GREETING, hang_up_at=8, library=library)
    call.play()
    assert library.asked == [("forest", 8000)]
    assert ears.frames_between(0.5, 7.5) == 350
    assert ears.kinds(4, 7.5) == {QUIET}
    assert MIXED in ears.kinds(1.5, 3)
    speaking = Stage(first_message=GREETING, hang_up_at=8).play().frames
    assert ears.voiced(1.5) == [at for at in speaking if at > 1.5]


def test_until_the_clip_is_there_the_voice_is_heard_alone() -> None:
    call, ears = stage(first_message=GREETING, hang_up_at=8, library=Library(seconds=0.8))
    call.play()
    assert ears.kinds(0, 0.78) == {VOICE}
    assert ears.frames[0] < 0.3
    assert MIXED in ears.kinds(1.8, 3)
    assert ears.kinds(4, 7.5) == {QUIET}


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_turns_and_their_latencies_are_those_of_a_call_without(seconds: float) -> None:
    script = Says(1.0, 2.0, "when are you open"), Says(5.0, 6.5, "and on Sunday then"), Noise(8.5, 8.7)
    replies = [LONG, "Closed."]
    plain = Stage(*script, replies=replies, hang_up_at=14).play()
    call, ears = stage(*script, replies=replies, hang_up_at=14, library=Library(seconds))
    call.play()
    assert ears.turns == plain.turns
    assert len(ears.turns) == 2
    assert ears.messages == plain.messages
    assert ears.events == plain.events


def test_an_interruption_stops_the_voice_and_not_the_ambience() -> None:
    script = Says(2.0, 3.0, "when are you open"), Says(6.0, 7.5, "and on Sunday then")
    call, ears = stage(*script, replies=[LONG, "Closed."], hang_up_at=12)
    call.play()
    assert ears.kinds(4, 6) == {MIXED}
    assert ears.kinds(6.34, 7.5) == {QUIET}
    assert ears.frames_between(6, 8) == 100


def test_a_pause_for_noise_leaves_the_ambience() -> None:
    plain = Stage(Says(2.0, 3.0, "when are you open"), Noise(6.0, 6.5), replies=[LONG], hang_up_at=12).play()
    call, ears = stage(Says(2.0, 3.0, "when are you open"), Noise(6.0, 6.5), replies=[LONG], hang_up_at=12)
    call.play()
    assert plain.frames_between(6, 8) < 100
    assert ears.frames_between(6, 8) == 100
    assert ears.voiced(4) == [at for at in plain.frames if at > 4]


def test_the_recording_holds_what_was_sent() -> None:
    call, ears = stage(first_message=GREETING, hang_up_at=5, recording_path=Path("call.wav"))
    recorder = MemoryRecorder()
    call.recordings = recorder  # type: ignore[assignment]
    call.play()
    assert [frame for frame in recorder.right if frame is not None] == [frame for _, frame in ears.sent]
    assert {QUIET, MIXED} <= set(recorder.right)


def test_the_apology_is_heard_over_the_ambience_too() -> None:
    refused = ProviderError("model", "refused", retryable=False)
    call, ears = stage(Says(2.0, 3.0, "hello there"), replies=[refused, refused], hang_up_at=None)
    call.play()
    assert ears.endings[0].end_reason == "error"
    assert ears.kinds(3.0, ears.ended_after) == {QUIET, MIXED}
    assert ears.frames_between(3.0, ears.ended_after) >= (ears.ended_after - 3.02) * 50 - 1


def test_a_clip_that_cannot_be_made_costs_nothing_but_itself() -> None:
    call, ears = stage(first_message="Hello.", hang_up_at=4, library=Library(error=MemoryError()))
    call.play()
    assert ears.said == ["Hello."]
    assert ears.endings[0].end_reason == "user_hangup"
    assert ears.kinds(0, 4) == {VOICE}


def test_hanging_up_before_the_clip_is_there_leaves_nothing_behind() -> None:
    call, ears = stage(first_message="Hello.", hang_up_at=1, library=Library(seconds=60))
    call.play()
    assert ears.ended_after < 2


def test_a_call_without_background_asks_for_no_clip_and_is_silent_between_words() -> None:
    plain = Stage(first_message="Hello.", hang_up_at=4)
    plain.ambience = library = Library()
    notes = plain.play()
    assert library.asked == []
    assert notes.frames_between(1, 4) == 0
