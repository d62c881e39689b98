"""Consent to a recording, in virtual time: who hears what before the caller has agreed, and how the asking ends."""

from pathlib import Path
from typing import Any

import pytest

from dialtone.conversation.call import Call
from dialtone.conversation.control import CommandError, EndCall, Say
from dialtone.conversation.plan import CallPlan
from dialtone.conversation.vendors import vendor_choice
from dialtone.lines.base import Trouble
from dialtone.providers.base import ProviderError
from dialtone.providers.factory import Vendors
from tests.conversation.stage import CHARACTER_SECONDS, Says, Stage
from tests.conversation.test_background import MemoryRecorder

MESSAGE = "Press 1 to agree to a recording, 2 to hang up."
ASKED = 0.15 + len(MESSAGE) * CHARACTER_SECONDS
"""When the message has been said for the first time: a session, a first audio, and the text."""
ASKED_AGAIN = ASKED + 10 + len(MESSAGE) * CHARACTER_SECONDS
"""The second time it comes from the cache."""


def asked(*script: Says, keys: dict[float, str] | None = None, **settings: Any) -> tuple[Stage, MemoryRecorder]:
    """A stage on which the caller is asked, and presses keys at the given seconds."""
    plan = {"consent_message": MESSAGE, "direction": "inbound", "recording_path": Path("call.wav")}
    stage = Stage(*script, **{"first_message": "Hello.", **plan, **settings})
    recorder = MemoryRecorder()
    stage.recordings = recorder  # type: ignore[assignment]
    for at, key in (keys or {}).items():
        stage.at.append((at, lambda call, key=key: call.on_dtmf(key)))  # type: ignore[misc]
    return stage, recorder


def nothing_began(stage: Stage, recorder: MemoryRecorder) -> bool:
    """No transcriber, no model, no recording, no word kept."""
    notes = stage.notes
    told = (notes.messages, notes.turns, notes.notes, notes.recorded_from)
    return (stage.ears.opened, stage.model.asked, recorder.right, told) == (0, [], [], ([], [], [], None))


def test_nobody_listens_before_the_caller_agrees_and_everything_begins_then() -> None:
    said = Says(1.0, 2.0, "this is not for your ears"), Says(7.0, 8.0, "when are you open")
    stage, recorder = asked(*said, keys={4.0: "1"}, replies=["At nine."], hang_up_at=12)
    notes = stage.play()
    assert notes.messages == [("assistant", "Hello."), ("user", "when are you open"), ("assistant", "At nine.")]
    assert notes.sentences()[0] == (pytest.approx(0.16, abs=0.03), MESSAGE)
    assert min(stage.ears.heard) >= 3.98, "the frame that ends with the key is the first"
    assert notes.recorded_from == 4.0
    assert notes.notes == ["the caller agreed to be recorded"]
    assert len(recorder.right) == pytest.approx((12 - 4.0) * 50, abs=2)
    assert notes.endings[0].end_reason == "user_hangup"


def test_the_key_is_taken_in_the_middle_of_the_message() -> None:
    stage, _ = asked(keys={1.0: "1"}, hang_up_at=6)
    notes = stage.play()
    assert [sentence for _, sentence in notes.sentences()] == [MESSAGE, "Hello."]
    assert notes.sentences()[1][0] == pytest.approx(1.16, abs=0.05)
    assert 1.0 in notes.cleared, "the far end still plays the message"


@pytest.mark.parametrize("key", ["1", "2"])
def test_a_key_from_before_the_message_is_no_answer_to_it(key: str) -> None:
    stage, recorder = asked(keys={0.05: key, 4.0: "1"}, hang_up_at=6)
    notes = stage.play()
    assert notes.sentences()[0] == (pytest.approx(0.16, abs=0.03), MESSAGE)
    assert notes.recorded_from == 4.0
    assert len(recorder.right) == pytest.approx((6 - 4.0) * 50, abs=2)


def test_two_ends_the_call_at_once() -> None:
    stage, recorder = asked(Says(0.5, 2.0, "I do not want that"), keys={1.0: "2"}, hang_up_at=None)
    notes = stage.play()
    assert (notes.endings[0].end_reason, notes.endings[0].error) == ("consent_declined", None)
    assert notes.ended_after == 1.0
    assert nothing_began(stage, recorder)


def test_without_an_answer_it_is_asked_once_more_and_then_the_call_ends() -> None:
    stage, recorder = asked(Says(3.0, 5.0, "what does it want of me"), hang_up_at=None)
    notes = stage.play()
    asked_at = [at for at, sentence in notes.sentences() if sentence == MESSAGE]
    assert asked_at == [pytest.approx(0.16, abs=0.03), pytest.approx(ASKED + 10, abs=0.1)]
    assert notes.endings[0].end_reason == "consent_timeout"
    assert notes.ended_after == pytest.approx(ASKED_AGAIN + 10, abs=0.1)
    assert nothing_began(stage, recorder)


@pytest.mark.parametrize("at", [ASKED + 9.9, ASKED + 10.5, ASKED_AGAIN + 9.8], ids=["last moment", "again", "last"])
def test_a_late_yes_is_a_yes(at: float) -> None:
    stage, _ = asked(keys={at: "1"}, hang_up_at=40)
    assert stage.play().said == ["Hello."]


def test_other_keys_are_no_answer_and_give_no_more_time() -> None:
    keys = {1.0: "5", 6.0: "*", 11.0: "#", 15.0: "3"}
    stage, recorder = asked(keys=keys, hang_up_at=None)
    notes = stage.play()
    assert notes.endings[0].end_reason == "consent_timeout"
    assert notes.ended_after == pytest.approx(ASKED_AGAIN + 10, abs=0.1)
    assert nothing_began(stage, recorder)


@pytest.mark.parametrize("at", [0.0, 1.0, 5.0, 13.0])
def test_hanging_up_meanwhile_is_an_ordinary_end(at: float) -> None:
    stage, recorder = asked(hang_up_at=at)
    notes = stage.play()
    assert (notes.endings[0].end_reason, notes.endings[0].error) == ("user_hangup", None)
    assert nothing_began(stage, recorder)


def test_digits_after_the_answer_are_a_turn_like_any_other() -> None:
    stage, _ = asked(keys={1.0: "1", 4.0: "2", 4.5: "1"}, hang_up_at=10)
    notes = stage.play()
    assert notes.heard == ["(pressed 2 1)"]
    assert notes.endings[0].end_reason == "user_hangup"


def test_only_the_end_can_be_commanded_before_the_answer() -> None:
    refused = []

    def say(call: Call) -> None:
        try:
            call.command(Say("Hello?", end_after=False))
        except CommandError as problem:
            refused.append(problem.code)

    stage, recorder = asked(hang_up_at=None)
    stage.at += [(1.0, say), (2.0, lambda call: call.command(EndCall("Goodbye.")))]
    notes = stage.play()
    assert refused == ["call_not_in_progress"]
    assert (notes.endings[0].end_reason, notes.ended_after) == ("api_end_call", 2.0)
    assert nothing_began(stage, recorder)


def test_a_voice_that_cannot_ask_ends_the_call_with_an_apology() -> None:
    stage, recorder = asked(hang_up_at=None, keys={3.0: "1"})
    stage.voice.failures = [ProviderError("voice", "the API key was refused", retryable=False)]
    notes = stage.play()
    assert notes.endings[0].error == "voice: the API key was refused"
    assert Trouble("voice: the API key was refused") in [event for _, event in notes.events]
    assert any("sorry" in sentence for _, sentence in notes.sentences())
    assert nothing_began(stage, recorder)


def test_the_longest_duration_holds_while_the_caller_is_asked() -> None:
    stage, _ = asked(hang_up_at=None, max_duration_seconds=5.0)
    notes = stage.play()
    assert (notes.endings[0].end_reason, notes.ended_after) == ("max_duration", 5.0)


def test_the_voice_that_asked_is_counted() -> None:
    stage, _ = asked(hang_up_at=3)
    [use] = stage.play().endings[0].uses
    assert (use.role, use.characters) == ("tts", len(MESSAGE))


@pytest.mark.parametrize(("keys", "voice"), [({"elevenlabs": "xi-1"}, "elevenlabs"), ({}, "local espeak-ng")])
def test_a_model_that_speaks_by_itself_lets_the_deployments_voice_ask(
    keys: dict[str, str], voice: str, tmp_path: Path
) -> None:
    plan = CallPlan("c", "o", None, {"provider": "openai", "model": "gpt-realtime"}, None, consent_message=MESSAGE)
    vendors = Vendors(http=None, keys=keys, base_urls={}, data_dir=tmp_path)  # type: ignore[arg-type]
    assert vendor_choice(plan, vendors).consent_voice().name == voice
