"""Whole calls in virtual time: what is said, heard, cut, resumed and written down, and how calls end."""

import pytest

from dialtone.conversation.plan import SilencePlan, TurnTaking
from dialtone.lines.base import AssistantHeard, ToolUsed
from dialtone.providers.base import ToolCall
from tests.conversation.stage import Noise, Says, Stage

LONG = "We are open on Monday. We are open on Tuesday. We are closed on Wednesday, but open on all other days."


def test_a_conversation_of_two_turns() -> None:
    stage = Stage(
        Says(3.0, 5.0, "I want a table for two"),
        Says(9.0, 10.0, "at eight please"),
        replies=["For when?", "It is booked. See you then."],
        first_message="Hello, this is Luigi.",
        hang_up_at=16,
    )
    notes = stage.play()
    assert notes.messages == [
        ("assistant", "Hello, this is Luigi."),
        ("user", "I want a table for two"),
        ("assistant", "For when?"),
        ("user", "at eight please"),
        ("assistant", "It is booked. See you then."),
    ]
    assert [ending.end_reason for ending in notes.endings] == ["user_hangup"]
    assert notes.endings[0].error is None
    assert notes.closed_with == ["user_hangup"]


def test_the_model_is_told_the_conversation_as_it_was_heard() -> None:
    stage = Stage(Says(2.0, 3.0, "hello there"), first_message="Welcome to Luigi.", hang_up_at=6)
    stage.play()
    assert [(message.role, message.content) for message in stage.model.asked[0]] == [
        ("system", "Be brief."),
        ("assistant", "Welcome to Luigi."),
        ("user", "hello there"),
    ]


def test_the_reply_is_thought_out_while_the_endpointing_delay_runs() -> None:
    slow = TurnTaking(endpointing_min_delay=1.0)
    notes = Stage(Says(1.0, 2.0, "hello there"), turn_taking=slow, replies=["Hi."], hang_up_at=6).play()
    # Final at 2.3, first word at 2.5, first audio at 2.6: all of it inside the delay.
    assert notes.first_frame_after(2.0) == pytest.approx(3.0, abs=0.04)
    [turn] = notes.turns
    assert turn.endpointing == pytest.approx(1000, abs=40)
    assert turn.stt_final == pytest.approx(300, abs=40)
    assert turn.llm_first_token == pytest.approx(200, abs=5)
    assert turn.tts_first_audio == pytest.approx(100, abs=10)
    assert turn.total == pytest.approx(1000, abs=50)


def test_sentences_go_to_the_voice_while_the_model_still_writes() -> None:
    reply = "First sentence. " + "word " * 200 + "end."
    stage = Stage(Says(1.0, 2.0, "hello there"), replies=[reply], hang_up_at=5)
    notes = stage.play()
    assert notes.first_frame_after(2.0) < 2.9
    assert stage.voice.spoken[0] == "First sentence. "


def test_a_correction_is_answered_as_a_whole_and_the_first_thought_never_heard() -> None:
    stage = Stage(
        Says(1.0, 2.0, "on Tuesday please"),
        Says(2.8, 4.0, "no on Wednesday"),
        replies=["Tuesday it is.", "Wednesday it is."],
        turn_taking=TurnTaking(endpointing_min_delay=1.2),
        hang_up_at=9,
    )
    notes = stage.play()
    assert notes.heard == ["on Tuesday please no on Wednesday"]
    assert notes.said == ["Wednesday it is."]
    assert len(stage.model.asked) == 2


def test_going_on_before_the_answer_is_heard_makes_one_turn_for_the_model() -> None:
    stage = Stage(
        Says(1.0, 2.0, "I want a table"), Says(2.5, 4.0, "for four people"), replies=["When?", "Fine."], hang_up_at=9
    )
    notes = stage.play()
    assert notes.said == ["Fine."]
    assert stage.model.asked[-1][-1].content == "I want a table for four people"


# Barge-in


def test_barge_in_stops_the_voice_and_keeps_what_was_heard() -> None:
    stage = Stage(
        Says(1.0, 2.0, "when are you open"),
        Says(5.0, 6.5, "and on Sunday then"),
        replies=[LONG, "Closed."],
        hang_up_at=12,
    )
    notes = stage.play()
    stopped = notes.last_frame_before(6.5)
    assert stopped == pytest.approx(5.3, abs=0.06)
    first, second = notes.said
    assert LONG.startswith(first)
    assert 0 < len(first) < len(LONG)
    assert second == "Closed."
    spoken_seconds = stopped - notes.first_frame_after(2.0)
    assert len(first) == pytest.approx(spoken_seconds / 0.05, abs=12)
    assert notes.turns[0].interrupted
    assert AssistantHeard(first, True) in [event for _, event in notes.events]
    assert stage.model.asked[-1][-2].content == first
    assert notes.cleared


def test_no_frame_leaves_after_the_decision_to_interrupt() -> None:
    notes = Stage(
        Says(1.0, 2.0, "when are you open"),
        Says(5.0, 6.5, "and on Sunday then"),
        replies=[LONG, "Closed."],
        hang_up_at=9,
    ).play()
    assert notes.frames_between(5.34, 6.5) == 0


def test_barge_in_at_the_first_word_leaves_nothing_of_the_answer_in_the_transcript() -> None:
    stage = Stage(
        Says(1.0, 2.0, "when are you open"),
        Says(2.42, 4.0, "wait I mean on Sunday"),
        replies=["Every day of the week from nine to five.", "Closed."],
        turn_taking=TurnTaking(interruption_min_duration=0.1),
        hang_up_at=9,
    )
    notes = stage.play()
    assert notes.said[-1] == "Closed."
    assert all(not text.startswith("Every day of") for text in notes.said)


def test_barge_in_at_the_last_word_keeps_all_that_was_heard() -> None:
    reply = "We are open every day."
    start, length = 2.5, len(reply) * 0.05
    over = start + length - 0.15
    notes = Stage(
        Says(1.0, 2.0, "when are you open"),
        Says(over, over + 1.5, "on Sunday too"),
        replies=[reply, "Yes."],
        hang_up_at=10,
    ).play()
    assert notes.said == [reply, "Yes."]
    assert notes.heard == ["when are you open", "on Sunday too"]


def test_noise_pauses_and_the_assistant_goes_on_where_it_stopped() -> None:
    notes = Stage(Says(1.0, 2.0, "when are you open"), Noise(5.0, 5.6), replies=[LONG], hang_up_at=14).play()
    assert notes.frames_between(5.4, 7.0) == 0
    assert notes.said == [LONG]
    assert len(notes.frames) * 0.02 == pytest.approx(len(LONG) * 0.05, abs=0.1)


def test_a_backchannel_does_not_take_the_turn() -> None:
    notes = Stage(Says(1.0, 2.0, "when are you open"), Says(5.0, 5.4, "mhm"), replies=[LONG], hang_up_at=14).play()
    assert notes.said == [LONG]
    assert notes.heard == ["when are you open"]


def test_a_caller_who_never_stops_is_written_down_when_the_call_ends() -> None:
    script = [Says(start, start + 3.9, f"and then item {start} came") for start in range(1, 60, 4)]
    notes = Stage(*script, max_duration_seconds=40, hang_up_at=None).play()
    assert notes.said == []
    assert notes.heard[0].startswith("and then item 1 came and then item 5 came")
    assert notes.endings[0].end_reason == "max_duration"


def test_two_finals_in_one_turn() -> None:
    notes = Stage(
        Says(1.0, 2.5, "my name is Alice", 0.05),
        Says(2.6, 4.0, "and I live in Delft"),
        replies=["Hello Alice."],
        hang_up_at=8,
    ).play()
    assert notes.heard == ["my name is Alice and I live in Delft"]
    assert notes.said == ["Hello Alice."]


# Silence


def test_a_silent_caller_is_asked_and_then_said_goodbye_to() -> None:
    plan = SilencePlan(True, ("Are you there?", "Hello?"), "Goodbye then.", 3.0, 5.0, 3)
    notes = Stage(first_message="Hi.", silence=plan, hang_up_at=None).play()
    assert notes.said == ["Hi.", "Are you there?", "Hello?", "Hello?", "Goodbye then."]
    assert notes.endings[0].end_reason == "silence_timeout"
    times = [at for at, _ in notes.sentences()]
    assert times[1] - times[0] == pytest.approx(3.0 + len("Hi.") * 0.05, abs=0.2)
    assert times[2] - times[1] == pytest.approx(5.0 + len("Are you there?") * 0.05, abs=0.2)


def test_speaking_again_starts_the_silence_checks_anew() -> None:
    plan = SilencePlan(True, ("Are you there?", "Hello?"), "Goodbye.", 3.0, 5.0, 2)
    notes = Stage(
        Says(5.0, 6.0, "yes I am here"), replies=["Good."], first_message="Hi.", silence=plan, hang_up_at=11.5
    ).play()
    assert notes.said == ["Hi.", "Are you there?", "Good.", "Are you there?"]


def test_without_silence_messages_the_model_words_the_question() -> None:
    plan = SilencePlan(True, (), None, 3.0, 5.0, 1)
    stage = Stage(first_message="Hi.", silence=plan, replies=["Hello, anybody there?"], hang_up_at=None)
    notes = stage.play()
    assert notes.said == ["Hi.", "Hello, anybody there?"]
    assert "silent" in stage.model.asked[0][-1].content
    assert notes.endings[0].end_reason == "silence_timeout"


def test_a_dead_line_is_ended_after_ten_minutes_even_without_silence_handling() -> None:
    notes = Stage(first_message="Hi.", hang_up_at=None).play()
    assert notes.endings[0].end_reason == "silence_timeout"
    assert notes.ended_after == pytest.approx(600, abs=2)


# Ends


def test_max_duration_ends_the_call() -> None:
    notes = Stage(first_message="Hi.", max_duration_seconds=12, hang_up_at=None).play()
    assert notes.endings[0].end_reason == "max_duration"
    assert notes.ended_after == pytest.approx(12, abs=0.1)


def test_the_end_call_tool_hangs_up_after_the_last_word() -> None:
    stage = Stage(
        Says(1.0, 2.0, "that is all goodbye"),
        replies=[["Goodbye and thank you.", ToolCall("t1", "end_call", "{}")]],
        end_call_message="Have a nice day.",
        hang_up_at=None,
    )
    notes = stage.play()
    assert notes.said == ["Goodbye and thank you.", "Have a nice day."]
    assert notes.endings[0].end_reason == "assistant_hangup"


def test_an_end_call_phrase_hangs_up_once_it_was_said() -> None:
    notes = Stage(
        Says(1.0, 2.0, "that is all"),
        replies=["Thanks. Goodbye for now!"],
        end_call_phrases=("goodbye for now",),
        hang_up_at=None,
    ).play()
    assert notes.endings[0].end_reason == "end_call_phrase"
    assert notes.said == ["Thanks. Goodbye for now!"]


def test_hanging_up_while_the_assistant_speaks_keeps_what_was_heard() -> None:
    notes = Stage(Says(1.0, 2.0, "when are you open"), replies=[LONG], hang_up_at=4.0).play()
    assert notes.endings[0].end_reason == "user_hangup"
    assert 0 < len(notes.said[0]) < len(LONG)


def test_being_stopped_ends_the_call_in_order() -> None:
    stage = Stage(first_message=LONG, hang_up_at=None)
    stage.at.append((2.0, lambda call: call.end("server_shutdown", "the server was stopped")))
    notes = stage.play()
    assert notes.endings[0].end_reason == "server_shutdown"
    assert notes.closed_with == ["server_shutdown"]


# Tools


def test_a_tool_is_used_and_its_result_spoken() -> None:
    stage = Stage(
        Says(1.0, 2.0, "is Tuesday free"),
        replies=[["Let me look.", ToolCall("t1", "calendar", '{"day": "Tuesday"}')], "Tuesday is free."],
        tools={"calendar": "free"},
        hang_up_at=9,
    )
    notes = stage.play()
    assert notes.said == ["Let me look. Tuesday is free."]
    assert ToolUsed("calendar") in [event for _, event in notes.events]
    assert [(m.role, m.content) for m in stage.model.asked[1][-2:]] == [("assistant", "Let me look."), ("tool", "free")]


def test_no_tool_is_used_for_a_turn_that_is_not_over() -> None:
    call = ToolCall("t1", "calendar", "{}")
    stage = Stage(
        Says(1.0, 2.0, "is Tuesday free"),
        Says(2.9, 4.0, "no Wednesday I mean"),
        replies=[[call], [call], "Free."],
        tools={"calendar": "free"},
        turn_taking=TurnTaking(endpointing_min_delay=1.5),
        hang_up_at=9,
    )
    notes = stage.play()
    assert len(stage.tools.used) == 1
    assert notes.said == ["Free."]


def test_a_slow_tool_is_bridged_by_its_message() -> None:
    stage = Stage(
        Says(1.0, 2.0, "look it up"),
        replies=[ToolCall("t1", "slow", "{}"), "Found."],
        tools={"slow": "x"},
        hang_up_at=9,
    )
    assert stage.play().said == ["One moment please. Found."]
