"""Every turn-taking rule, over timestamps: who speaks when, what the transcriber says when, what must follow."""

from collections.abc import Iterable

import pytest

from dialtone.conversation.plan import TurnTaking
from dialtone.conversation.turns import (
    Action,
    CallerSpeech,
    EndTurn,
    Forget,
    Interrupt,
    Pause,
    Resume,
    Think,
    TurnTaker,
)

WINDOW = 0.032


class Scene:
    """Plays voices and transcripts against a turn taker, 1 ms at a time, and writes down what it does."""

    def __init__(self, **settings: object) -> None:
        self.turns = TurnTaker(TurnTaking(**settings))  # type: ignore[arg-type]
        self.voices: list[tuple[float, float]] = []
        self.script: list[tuple[float, str, str, float]] = []
        self.actions: list[tuple[float, Action]] = []

    def voice(self, start: float, end: float) -> "Scene":
        self.voices.append((start, end))
        return self

    def says(self, start: float, end: float, text: str, final_after: float | None = 0.3) -> "Scene":
        """Speech with an interim every 200 ms and, unless None, a final `final_after` its end."""
        self.voice(start, end)
        spoken = text.split()
        steps = int((end - start) / 0.2)
        for step in range(1, steps + 1):
            so_far = " ".join(spoken[: max(1, len(spoken) * step // (steps + 1))])
            self.script.append((start + step * 0.2, "interim", so_far, 0.0))
        if final_after is not None:
            self.script.append((end + final_after, "final", text, end))
        return self

    def assistant(self, start: float, end: float | None = None) -> "Scene":
        self.script.append((start, "began", "", 0.0))
        if end is not None:
            self.script.append((end, "done", "", 0.0))
        return self

    def play(self, until: float) -> "Scene":
        script = sorted(self.script)
        next_window = WINDOW
        for millisecond in range(int(until * 1000)):
            now = millisecond / 1000
            while script and script[0][0] <= now:
                self._note(now, self._event(now, *script.pop(0)[1:]))
            if now >= next_window:
                voiced = any(start <= now - WINDOW / 2 < end for start, end in self.voices)
                self._note(now, self.turns.voice(now, voiced, WINDOW))
                next_window += WINDOW
            deadline = self.turns.deadline
            if deadline is not None and now >= deadline:
                self._note(now, self.turns.due(now))
        return self

    def _event(self, now: float, kind: str, text: str, heard_until: float) -> Iterable[Action]:
        match kind:
            case "interim":
                return self.turns.interim(now, text)
            case "final":
                return self.turns.final(now, text, heard_until)
            case "began":
                self.turns.assistant_began()
                self.turns.assistant_audible()
                return ()
            case _:
                return self.turns.assistant_done(now)

    def _note(self, now: float, actions: Iterable[Action]) -> None:
        self.actions += [(now, action) for action in actions]

    def of(self, *kinds: type) -> list[tuple[float, Action]]:
        return [(at, action) for at, action in self.actions if isinstance(action, kinds)]

    def ended_turns(self) -> list[tuple[float, str]]:
        return [(round(at, 2), action.text) for at, action in self.actions if isinstance(action, EndTurn)]

    def kinds(self) -> list[str]:
        return [type(action).__name__ for _, action in self.actions if not isinstance(action, CallerSpeech)]


def test_a_finished_sentence_ends_the_turn_after_the_minimum_delay() -> None:
    scene = Scene().says(1.0, 3.0, "I want a table for two").play(6.0)
    [(at, text)] = scene.ended_turns()
    assert text == "I want a table for two"
    assert at == pytest.approx(3.4, abs=0.05)


def test_the_reply_is_thought_out_ahead_as_soon_as_the_final_is_there() -> None:
    scene = Scene(endpointing_min_delay=1.0).says(1.0, 3.0, "I want a table for two").play(6.0)
    [(thought_at, thought)] = scene.of(Think)
    assert thought == Think("I want a table for two")
    assert thought_at == pytest.approx(3.3, abs=0.05)
    assert scene.kinds() == ["Think", "EndTurn"]


@pytest.mark.parametrize("delay", [0.1, 0.4, 1.5])
def test_endpointing_min_delay_is_honoured(delay: float) -> None:
    scene = Scene(endpointing_min_delay=delay, endpointing_max_delay=4).says(0.5, 2.0, "Yes please", 0.05).play(8)
    [(at, _)] = scene.ended_turns()
    assert at == pytest.approx(2.0 + delay, abs=0.08)


@pytest.mark.parametrize("delay", [1.0, 3.0])
def test_an_unfinished_sentence_waits_for_the_maximum_delay(delay: float) -> None:
    scene = Scene(endpointing_max_delay=delay).says(0.5, 2.0, "I would like to").play(8)
    [(at, _)] = scene.ended_turns()
    assert at == pytest.approx(2.0 + delay, abs=0.08)


def test_a_pause_inside_a_sentence_does_not_end_the_turn() -> None:
    scene = Scene().says(0.5, 2.0, "I would like to").says(3.2, 4.5, "book a table").play(9)
    assert [text for _, text in scene.ended_turns()] == ["I would like to book a table"]


def test_a_correction_discards_the_reply_thought_out_ahead() -> None:
    scene = Scene(endpointing_min_delay=1.0)
    scene.says(0.5, 2.0, "On Tuesday please").says(2.7, 4.0, "no Wednesday").play(9)
    assert scene.kinds() == ["Think", "Forget", "Think", "EndTurn"]
    assert [text for _, text in scene.ended_turns()] == ["On Tuesday please no Wednesday"]


def test_two_finals_in_one_turn_make_one_turn() -> None:
    scene = Scene().voice(0.5, 3.0)
    scene.script += [
        (1.8, "final", "My name is Alice.", 1.6),
        (3.2, "final", "I live in Delft.", 3.0),
    ]
    scene.play(7)
    assert [text for _, text in scene.ended_turns()] == ["My name is Alice. I live in Delft."]


def test_a_turn_without_a_final_ends_on_the_interim_after_the_maximum_delay() -> None:
    scene = Scene().says(0.5, 2.5, "is anybody there at all", final_after=None).play(8)
    [(at, text)] = scene.ended_turns()
    assert text == "is anybody there at"
    assert at == pytest.approx(4.5, abs=0.1)


def test_a_final_that_comes_after_its_turn_was_ended_is_not_a_new_turn() -> None:
    scene = Scene().says(0.5, 2.5, "is anybody there at all", final_after=3.0)
    scene.script.append((5.0, "done", "", 0.0))
    assert len(scene.play(12).ended_turns()) == 1


def test_a_click_is_not_speech() -> None:
    scene = Scene().voice(1.0, 1.03).play(3)
    assert scene.actions == []


def test_a_click_after_the_words_changes_nothing() -> None:
    scene = Scene().says(1.0, 3.0, "I want a table for two").voice(3.36, 3.39).play(8)
    [(at, _)] = scene.ended_turns()
    assert at == pytest.approx(3.4, abs=0.05)


def test_a_voice_without_words_is_given_up_after_a_while() -> None:
    scene = Scene().voice(1.0, 60.0).play(20)
    times = [at for at, action in scene.of(CallerSpeech) if not action.started]  # type: ignore[attr-defined]
    assert times == [pytest.approx(9.0, abs=0.1)]


def test_noise_without_words_never_ends_a_turn() -> None:
    scene = Scene().voice(1.0, 2.5).play(10)
    assert [action.started for _, action in scene.of(CallerSpeech)] == [True, False]  # type: ignore[attr-defined]
    assert scene.kinds() == []


def test_background_noise_after_the_words_does_not_hold_the_turn() -> None:
    scene = Scene().says(0.5, 2.0, "I want a table").voice(2.0, 60.0).play(10)
    [(at, _)] = scene.ended_turns()
    assert at < 5.0


def test_a_transcriber_with_few_interims_does_not_cut_the_caller_off() -> None:
    scene = Scene().voice(0.5, 6.0)
    scene.script += [(1.0, "interim", "I would", 0.0), (6.3, "final", "I would like a table for two", 6.0)]
    assert [text for _, text in scene.play(9).ended_turns()] == ["I would like a table for two"]


def test_a_caller_who_never_stops_is_not_answered_before_the_limit() -> None:
    scene = Scene()
    for second in range(0, 120, 4):
        scene.says(second, second + 3.9, f"and then number {second} happened too", final_after=0.05)
    assert scene.play(119).ended_turns() == []


def test_a_caller_who_says_more_than_a_turn_may_hold_is_answered() -> None:
    turns = TurnTaker(TurnTaking())
    turns.voice(1.0, True, 1.0)
    actions = list(turns.final(1.1, "blah " * 2100, 1.0))
    assert any(isinstance(action, EndTurn) for action in actions)


def test_silence_brings_nothing() -> None:
    scene = Scene().play(30)
    assert scene.actions == []
    assert scene.turns.deadline is None


# Barge-in


def test_barge_in_pauses_after_the_minimum_duration_and_words_make_it_real() -> None:
    scene = Scene(interruption_min_duration=0.3).assistant(0.0).says(2.0, 4.0, "wait I meant four").play(8)
    [(paused, _)] = scene.of(Pause)
    assert paused == pytest.approx(2.3, abs=0.06)
    assert scene.kinds() == ["Pause", "Interrupt", "Think", "EndTurn"]
    assert [text for _, text in scene.ended_turns()] == ["wait I meant four"]


@pytest.mark.parametrize("duration", [0.05, 0.5, 1.5])
def test_interruption_min_duration_is_honoured(duration: float) -> None:
    scene = Scene(interruption_min_duration=duration).assistant(0.0).voice(2.0, 4.0).play(5)
    assert scene.of(Pause)[0][0] == pytest.approx(2.0 + max(duration, 0.064), abs=0.06)


def test_a_voice_shorter_than_the_minimum_does_not_stop_the_assistant() -> None:
    assert Scene(interruption_min_duration=0.5).assistant(0.0).voice(2.0, 2.4).play(6).kinds() == []


def test_a_false_interruption_resumes_after_the_timeout() -> None:
    scene = Scene(false_interruption_timeout=1.0).assistant(0.0).voice(2.0, 2.6).play(8)
    assert scene.kinds() == ["Pause", "Resume"]
    assert scene.of(Resume)[0][0] == pytest.approx(3.6, abs=0.05)


def test_without_a_false_interruption_timeout_an_interruption_is_final_at_once() -> None:
    scene = Scene(false_interruption_timeout=None).assistant(0.0).voice(2.0, 2.6).play(6)
    assert scene.kinds() == ["Interrupt"]


def test_a_backchannel_resumes_as_soon_as_it_is_understood() -> None:
    scene = Scene().assistant(0.0).says(2.0, 2.5, "mhm", final_after=0.3).play(8)
    assert scene.kinds() == ["Pause", "Resume"]
    assert scene.of(Resume)[0][0] == pytest.approx(2.8, abs=0.05)


def test_a_backchannel_in_the_middle_of_the_assistants_speech_is_no_turn() -> None:
    scene = Scene().assistant(0.0, 6.0).says(2.0, 2.2, "okay", final_after=0.3).play(10)
    assert scene.ended_turns() == []


def test_a_yes_over_the_assistants_last_word_is_an_answer() -> None:
    scene = Scene().assistant(0.0, 2.3).says(2.0, 2.25, "yes", final_after=0.3).play(6)
    assert [text for _, text in scene.ended_turns()] == ["yes"]


def test_interruption_min_words_waits_for_the_words() -> None:
    scene = Scene(interruption_min_words=3).assistant(0.0)
    scene.says(2.0, 4.0, "please stop talking now and listen").play(4.0)
    [(at, _)] = scene.of(Interrupt)
    assert at > 2.3
    assert scene.of(Pause) == []


def test_fewer_words_than_interruption_min_words_do_not_interrupt() -> None:
    scene = Scene(interruption_min_words=3).assistant(0.0).says(2.0, 2.8, "stop it").play(6)
    assert scene.kinds() == []


def test_a_television_holds_the_assistant_up_only_so_long() -> None:
    scene = Scene().assistant(0.0).voice(2.0, 60.0).play(20)
    assert scene.kinds() == ["Pause", "Resume"]
    assert scene.of(Resume)[0][0] < 6.0


def test_words_over_a_television_still_interrupt() -> None:
    scene = Scene().assistant(0.0).voice(2.0, 60.0)
    scene.script.append((10.0, "interim", "hello can you hear me", 0.0))
    assert scene.play(12).kinds()[:3] == ["Pause", "Resume", "Interrupt"]


def test_a_voice_the_detector_missed_interrupts_by_its_words() -> None:
    scene = Scene().assistant(0.0)
    scene.script.append((3.0, "interim", "excuse me please", 0.0))
    assert scene.play(4).kinds() == ["Interrupt"]


def test_going_on_before_the_answer_was_heard_takes_the_turn_back() -> None:
    scene = Scene().says(0.5, 2.0, "I want a table").says(2.8, 4.5, "for four people tonight").play(9)
    assert scene.kinds() == ["Think", "EndTurn", "Pause", "Interrupt", "Think", "EndTurn"]


def test_a_caller_who_goes_on_is_not_talked_over() -> None:
    scene = Scene(interruption_min_duration=1.0).says(0.5, 2.0, "I want a table").voice(2.5, 3.0).play(2.7)
    [(at, _)] = scene.of(Pause)
    assert at == pytest.approx(2.56, abs=0.05)


def test_noise_while_the_answer_is_thought_out_loses_nothing() -> None:
    scene = Scene(false_interruption_timeout=0.5).says(0.5, 2.0, "I want a table").voice(2.8, 3.4).play(9)
    assert scene.kinds() == ["Think", "EndTurn", "Pause", "Resume"]


def test_the_detectors_slow_release_does_not_delay_the_turn() -> None:
    scene = Scene().voice(1.0, 3.2)
    scene.script.append((3.3, "final", "I want a table for two", 3.0))
    [(at, _)] = scene.play(6).ended_turns()
    assert at == pytest.approx(3.4, abs=0.05)


def test_what_was_said_last_is_kept_when_the_call_ends() -> None:
    scene = Scene().says(0.5, 2.0, "and one more thing").play(2.1)
    assert scene.turns.take_turn() == "and one more"
    assert scene.turns.take_turn() == ""
    assert scene.of(Forget) == []
