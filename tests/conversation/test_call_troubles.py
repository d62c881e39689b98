"""Whole calls in virtual time in which something fails, is cut off, or must be gone afterwards."""

import gc

import pytest

from dialtone.conversation.plan import SilencePlan
from dialtone.lines.base import Trouble
from dialtone.providers.base import ProviderError, ToolCall
from tests.conversation.stage import Noise, Says, Stage
from tests.conversation.test_call import LONG


def test_a_lost_transcriber_is_replaced_and_no_word_is_lost() -> None:
    stage = Stage(Says(1.0, 3.0, "I want a table for two"), replies=["Fine."], hang_up_at=8)
    stage.ears.lose_after = 2.0
    notes = stage.play()
    assert notes.heard == ["I want a table for two"]
    assert stage.ears.opened == 2
    assert notes.notes


def test_a_transcriber_that_stays_dead_ends_the_call_with_an_apology_and_the_reason() -> None:
    stage = Stage(first_message="Hi.", hang_up_at=None)
    stage.ears.lose_after = 2.0
    stage.at.append((1.0, lambda call: stage.ears.failures.extend([ProviderError("ears", "down")] * 10)))
    notes = stage.play()
    assert notes.endings[0].end_reason == "error"
    assert notes.endings[0].error == "ears: down"
    assert "sorry" in notes.said[-1]
    assert Trouble("ears: down") in [event for _, event in notes.events]


def test_a_refused_key_ends_the_call_at_once_with_an_apology() -> None:
    stage = Stage(first_message="Hi.", hang_up_at=None)
    stage.ears.failures = [ProviderError("ears", "the API key was refused", retryable=False)]
    notes = stage.play()
    assert notes.endings[0].error == "ears: the API key was refused"
    assert "sorry" in notes.said[-1]
    assert notes.ended_after < 10


def test_a_model_that_fails_once_is_asked_again() -> None:
    stage = Stage(Says(1.0, 2.0, "hello there"), replies=[ProviderError("model", "overloaded"), "Hi."], hang_up_at=6)
    assert stage.play().said == ["Hi."]


def test_a_model_that_stays_dead_ends_the_call_with_an_apology() -> None:
    dead = ProviderError("model", "overloaded")
    stage = Stage(Says(1.0, 2.0, "hello there"), replies=[dead, dead, dead], hang_up_at=None)
    notes = stage.play()
    assert notes.endings[0].error == "model: overloaded"
    assert "sorry" in notes.said[-1]


def test_a_voice_lost_in_the_middle_goes_on_with_the_rest() -> None:
    stage = Stage(Says(1.0, 2.0, "when are you open"), replies=[LONG], hang_up_at=14)
    stage.voice.fail_after_chunks = 20
    stage.at.append((1.5, lambda call: setattr(stage.voice, "open_seconds", 0.4)))
    notes = stage.play()
    assert notes.said == [LONG]
    assert stage.voice.opened == 2
    assert len(notes.frames) * 0.02 == pytest.approx(len(LONG) * 0.05, abs=0.5)


def test_a_dead_voice_apologises_in_the_spare_one() -> None:
    stage = Stage(first_message="Hi.", hang_up_at=None, apology_kept=False)
    stage.voice.failures = [ProviderError("voice", "down")] * 100
    notes = stage.play()
    assert "sorry" in stage.spare.spoken[0]
    assert notes.endings[0].error == "voice: down"


def test_a_line_that_breaks_ends_the_call_with_the_reason() -> None:
    stage = Stage(first_message="Hi.", hang_up_at=None)
    stage.at.append((1.0, lambda call: call.on_closed("the client stopped reading", failed=True)))
    notes = stage.play()
    assert (notes.endings[0].end_reason, notes.endings[0].error) == ("error", "the client stopped reading")


def test_the_apology_is_made_ready_while_the_voice_still_answers() -> None:
    stage = Stage(first_message="Hi.", hang_up_at=5, apology_kept=False)
    stage.play()
    assert any("sorry" in text for text in stage.voice.spoken)


def test_a_greeting_is_kept_for_the_next_call() -> None:
    first = Stage(first_message="Welcome to Luigi.", hang_up_at=4)
    uncached = first.play()
    second = Stage(first_message="Welcome to Luigi.", hang_up_at=4)
    second.cache = first.cache
    cached = second.play()
    assert uncached.frames[0] > 0.1
    assert cached.frames[0] <= 0.04
    assert second.voice.spoken == []


def test_a_greeting_with_a_placeholder_is_filled_and_not_kept() -> None:
    stage = Stage(first_message="Hello {{name}}{{nobody}}.", variables={"name": "Alice"}, hang_up_at=4)
    notes = stage.play()
    assert notes.said == ["Hello Alice."]
    assert "nobody" in notes.notes[0]
    assert len(stage.cache.kept) == 1, "nothing but the apology that was there before"


def test_digits_on_the_keypad_are_a_turn() -> None:
    stage = Stage(first_message="Enter your number.", replies=["Thank you."], hang_up_at=10)
    for at, digit in enumerate("42#"):
        stage.at.append((3.0 + at * 0.3, lambda call, digit=digit: call.on_dtmf(digit)))
    notes = stage.play()
    assert notes.heard == ["(pressed 4 2)"]
    assert notes.said == ["Enter your number.", "Thank you."]


def test_nothing_goes_on_after_the_end() -> None:
    stage = Stage(Says(1.0, 2.0, "book it now please"), replies=[ToolCall("t1", "book", "{}")], tools={"book": "ok"})
    stage.hang_up_at = 2.2  # the final transcript comes while the line is being closed
    notes = stage.play()
    assert stage.tools.used == []
    assert [text for _, text in notes.messages] == ["book it now"]


def test_a_transcriber_that_connects_and_drops_again_and_again_ends_the_call() -> None:
    stage = Stage(first_message="Hi.", hang_up_at=None)
    stage.ears.always_lose = True
    notes = stage.play()
    assert stage.ears.opened < 10
    assert notes.endings[0].error == "ears: the connection was lost"
    assert "sorry" in notes.said[-1]


def test_words_said_while_the_transcriber_was_away_for_long_are_in_the_turn() -> None:
    stage = Stage(Says(1.0, 3.0, "I want a table for two"), replies=["Fine."], hang_up_at=14)
    stage.ears.lose_after = 2.0
    stage.at.append((1.5, lambda call: stage.ears.failures.extend([ProviderError("ears", "busy")] * 3)))
    notes = stage.play()
    assert notes.heard == ["I want a table for two"]
    assert notes.said == ["Fine."]


def test_a_television_does_not_keep_the_silence_checks_from_coming() -> None:
    plan = SilencePlan(True, ("Are you there?",), "Goodbye.", 3.0, 5.0, 2)
    notes = Stage(Noise(4.0, 500.0), first_message="Hi.", silence=plan, hang_up_at=None).play()
    assert notes.endings[0].end_reason == "silence_timeout"
    assert notes.said[-1] == "Goodbye."


def test_empty_finals_are_no_sign_of_life() -> None:
    plan = SilencePlan(True, ("Are you there?",), "Goodbye.", 3.0, 5.0, 1)
    noise = [Says(start, start + 0.5, "") for start in range(4, 60, 4)]
    notes = Stage(*noise, first_message="Hi.", silence=plan, hang_up_at=None).play()
    assert notes.said == ["Hi.", "Are you there?", "Goodbye."]


def test_an_answer_that_breaks_off_is_a_pity_and_two_end_the_call() -> None:
    torn = ["Well, let me see.", ProviderError("model", "the connection broke")]
    once = Stage(Says(1.0, 2.0, "hello there"), Says(6.0, 7.0, "go on please"), replies=[torn, "Yes."], hang_up_at=10)
    notes = once.play()
    assert notes.said == ["Well, let me see.", "Yes."]
    assert any("broke off" in note for note in notes.notes)
    twice = Stage(
        Says(1.0, 2.0, "hello there"), Says(6.0, 7.0, "go on please"), replies=[torn, torn], hang_up_at=None
    ).play()
    assert twice.endings[0].error == "model: the connection broke"


def test_a_slow_voice_is_not_left_open_when_the_ears_are_refused() -> None:
    stage = Stage(first_message="Hi.", hang_up_at=None)
    stage.voice.open_seconds = 5.0
    stage.ears.failures = [ProviderError("ears", "the API key was refused", retryable=False)]
    assert stage.play().endings[0].end_reason == "error"


def test_a_second_failure_does_not_cut_the_apology_short() -> None:
    dead = ProviderError("model", "overloaded")
    stage = Stage(Says(1.0, 2.0, "hello there"), replies=[dead, dead, dead], hang_up_at=None, apology_kept=False)
    stage.ears.lose_after = 6.0
    stage.at.append((5.0, lambda call: stage.ears.failures.extend([ProviderError("ears", "down", retryable=False)])))
    notes = stage.play()
    assert notes.said[-1].endswith("Goodbye.")
    assert notes.endings[0].error == "model: overloaded"


def test_the_goodbye_has_its_placeholders_filled() -> None:
    stage = Stage(
        Says(1.0, 2.0, "that is all goodbye"),
        replies=[ToolCall("t1", "end_call", "{}")],
        end_call_message="Bye {{name}}.",
        variables={"name": "Alice"},
        hang_up_at=None,
    )
    assert stage.play().said == ["Bye Alice."]


def test_an_ended_call_is_free_without_the_garbage_collector() -> None:
    stage = Stage(
        Says(1.0, 2.0, "is Tuesday free"),
        Says(6.0, 7.5, "and what of Wednesday"),
        replies=[["Let me look.", ToolCall("t1", "calendar", "{}")], LONG, "Free."],
        tools={"calendar": "free"},
        first_message="Hi.",
        hang_up_at=9,
    )
    gc.collect()
    gc.disable()
    try:
        stage.play()
    finally:
        gc.enable()
    assert stage.freed_without_collector
