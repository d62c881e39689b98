"""Commands from outside during a call, in virtual time: what is said and done, when, and what the caller can stop."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from dialtone.conversation.call import Call
from dialtone.conversation.control import Command, CommandError, EndCall, InjectContext, Say, Transfer
from dialtone.conversation.plan import TurnTaking
from dialtone.conversation.tool_use import NOT_DONE
from dialtone.lines.base import AssistantHeard
from dialtone.providers.base import ProviderError, ToolCall
from dialtone.tools.base import Destination
from dialtone.tools.toolbox import ToolOutcome
from tests.conversation.stage import Noise, Notes, Says, Stage

ANSWER = "We are open on Monday. We are open on Tuesday. We are closed on Wednesday."
NOTICE = "Your colleague has just arrived."


class Commanded(Stage):
    """A stage on which commands come at given seconds; `refused` tells which were not taken."""

    def __init__(self, commands: Sequence[tuple[float, Command]], *script: Says | Noise, **settings: Any) -> None:
        super().__init__(*script, **settings)
        self.refused: list[tuple[float, str]] = []
        self.at = [(at, self._send(at, command)) for at, command in commands]

    def _send(self, at: float, command: Command) -> Any:
        def send(call: Call) -> None:
            try:
                call.command(command)
            except CommandError as problem:
                self.refused.append((at, problem.code))

        return send


def spoken_at(notes: Notes, text: str) -> float:
    [at] = [at for at, sentence in notes.sentences() if sentence.startswith(text[:20])]
    return at


# say


def test_a_text_is_said_at_once_where_nobody_speaks_and_told_to_the_model() -> None:
    stage = Commanded([(3.0, Say(NOTICE, end_after=False))], Says(7.0, 8.0, "thank you"), hang_up_at=12)
    notes = stage.play()
    assert spoken_at(notes, NOTICE) == pytest.approx(3.1, abs=0.05)
    assert notes.messages[:2] == [("assistant", NOTICE), ("user", "thank you")]
    assert ("assistant", NOTICE) in [(message.role, message.content) for message in stage.model.asked[-1]]


def test_a_text_waits_for_the_greeting() -> None:
    greeting = "Hello, this is Luigi, what can I do for you?"
    notes = Commanded([(0.5, Say(NOTICE, end_after=False))], first_message=greeting, hang_up_at=8).play()
    assert notes.said == [greeting, NOTICE]
    assert spoken_at(notes, NOTICE) > len(greeting) * 0.05


def test_a_text_waits_for_the_answer_that_is_being_thought_or_said() -> None:
    commands = [(2.2, Say(NOTICE, end_after=False)), (4.0, Say("And another.", end_after=False))]
    stage = Commanded(commands, Says(1.0, 2.0, "when are you open"), replies=[ANSWER], hang_up_at=12)
    assert stage.play().said == [ANSWER, NOTICE, "And another."]


def test_a_text_does_not_talk_over_the_caller_and_comes_after_the_answer() -> None:
    stage = Commanded([(2.0, Say(NOTICE, end_after=False))], Says(1.0, 4.0, "I want a table for two"), hang_up_at=10)
    notes = stage.play()
    assert notes.messages == [
        ("user", "I want a table for two"),
        ("assistant", "All right."),
        ("assistant", NOTICE),
    ]


def test_a_text_waits_out_a_noise() -> None:
    notes = Commanded([(2.0, Say(NOTICE, end_after=False))], Noise(1.0, 3.0), hang_up_at=8).play()
    assert notes.said == [NOTICE]
    assert 3.0 < spoken_at(notes, NOTICE) < 4.0


def test_the_caller_interrupts_a_text_like_any_speech_and_the_transcript_keeps_what_was_heard() -> None:
    text = "The office is closed today, and on all other days of this week, and of the next."
    stage = Commanded([(1.0, Say(text, end_after=False))], Says(3.0, 4.5, "never mind thank you"), hang_up_at=9)
    notes = stage.play()
    heard = notes.said[0]
    assert text.startswith(heard)
    assert 10 < len(heard) < len(text)
    assert AssistantHeard(heard, True) in [event for _, event in notes.events]
    assert notes.messages[1:] == [("user", "never mind thank you"), ("assistant", "All right.")]


def test_a_waiting_text_survives_an_interruption_of_what_was_said_before_it() -> None:
    stage = Commanded(
        [(3.0, Say(NOTICE, end_after=False))],
        Says(1.0, 2.0, "when are you open"),
        Says(4.0, 5.0, "and on Sunday"),
        replies=[ANSWER, "Closed."],
        hang_up_at=12,
    )
    assert stage.play().said[1:] == ["Closed.", NOTICE]


def test_last_words_are_said_to_their_end_whatever_the_caller_does_and_then_the_call_ends() -> None:
    text = "The office is closed today. Please call again tomorrow. Goodbye."
    stage = Commanded([(1.0, Say(text, end_after=True))], Says(2.0, 3.0, "wait please"), hang_up_at=None)
    notes = stage.play()
    assert notes.messages == [("user", "wait please"), ("assistant", text)]
    assert [ending.end_reason for ending in notes.endings] == ["api_end_call"]
    assert notes.ended_after == pytest.approx(1.1 + len(text) * 0.05, abs=0.1)
    assert not stage.model.asked, "nobody answers a caller who is being said goodbye to"


def test_more_texts_than_can_wait_are_refused() -> None:
    commands = [(1.0, Say(f"Text {number}.", end_after=False)) for number in range(25)]
    stage = Commanded(commands, hang_up_at=3)
    stage.play()
    assert stage.refused == [(1.0, "too_many_commands")] * 4


# inject-context


def test_context_is_not_heard_and_the_next_answer_knows_it() -> None:
    stage = Commanded([(1.0, InjectContext("It rains.", False))], Says(2.0, 3.0, "how is the weather"), hang_up_at=7)
    notes = stage.play()
    assert [(message.role, message.content) for message in stage.model.asked[-1][-2:]] == [
        ("system", "It rains."),
        ("user", "how is the weather"),
    ]
    assert notes.messages[0] == ("system", "It rains.")
    assert notes.first_frame_after(0.0) > 3.0


def test_an_answer_thought_out_ahead_is_thought_again_with_the_context() -> None:
    stage = Commanded(
        [(2.5, InjectContext("It rains.", False))],
        Says(1.0, 2.0, "how is the weather"),
        replies=["Dry.", "Wet."],
        turn_taking=TurnTaking(endpointing_min_delay=1.0),
        hang_up_at=7,
    )
    notes = stage.play()
    assert notes.said == ["Wet."]
    assert any(message.content == "It rains." for message in stage.model.asked[-1])


def test_a_triggered_answer_comes_at_once() -> None:
    stage = Commanded([(2.0, InjectContext("The taxi is here.", True))], replies=["Your taxi is here."], hang_up_at=6)
    notes = stage.play()
    assert spoken_at(notes, "Your taxi is here.") == pytest.approx(2.3, abs=0.1)
    assert stage.model.asked[0][-1].content == "The taxi is here."


def test_a_triggered_answer_waits_for_the_assistants_own_words() -> None:
    stage = Commanded(
        [(4.0, InjectContext("The taxi is here.", True))],
        Says(1.0, 2.0, "when are you open"),
        replies=[ANSWER, "Your taxi is here."],
        hang_up_at=12,
    )
    assert stage.play().said == [ANSWER, "Your taxi is here."]


def test_the_answer_to_the_caller_is_triggered_answer_enough() -> None:
    stage = Commanded(
        [(2.0, InjectContext("It rains.", True))], Says(1.0, 3.0, "how is the weather"), replies=["Wet."], hang_up_at=9
    )
    assert stage.play().said == ["Wet."]
    assert len(stage.model.asked) == 1


# end-call


@pytest.mark.parametrize("message", [None, "", " \n"])
def test_a_call_is_ended_at_once_without_a_message(message: str | None) -> None:
    stage = Commanded([(3.0, EndCall(message))], Says(1.0, 2.0, "when are you open"), replies=[ANSWER], hang_up_at=None)
    notes = stage.play()
    assert notes.ended_after == pytest.approx(3.0, abs=0.03)
    assert [ending.end_reason for ending in notes.endings] == ["api_end_call"]
    assert ANSWER.startswith(notes.said[0])
    assert notes.said[0] != ANSWER


def test_a_closing_line_replaces_what_is_being_thought() -> None:
    command = (2.35, EndCall("We have to stop here. Goodbye."))
    stage = Commanded([command], Says(1.0, 2.0, "when are you open"), replies=[ANSWER], hang_up_at=None)
    notes = stage.play()
    assert notes.said == ["We have to stop here. Goodbye."]
    assert notes.endings[0].end_reason == "api_end_call"
    assert stage.model.cancelled == 1


def test_a_second_end_call_does_not_wait_for_the_closing_line() -> None:
    line = "This is a very long closing line that nobody wants to hear to its very end."
    stage = Commanded([(1.0, EndCall(line)), (2.0, EndCall())], hang_up_at=None)
    notes = stage.play()
    assert notes.ended_after == pytest.approx(2.0, abs=0.03)
    assert line.startswith(notes.said[0])


def test_a_closing_line_that_cannot_be_spoken_does_not_keep_the_call() -> None:
    stage = Commanded([(1.0, EndCall("Goodbye to you."))], hang_up_at=None)

    def lose_the_voice(_call: Call) -> None:
        stage.voice.fail_after_chunks = 4
        stage.voice.failures = [ProviderError("voice", "the key was refused", retryable=False)]

    stage.at.append((0.5, lose_the_voice))
    notes = stage.play()
    assert [ending.end_reason for ending in notes.endings] == ["api_end_call"]
    assert notes.said == ["Goodbye"]
    assert notes.notes == ["the last words could not be spoken to their end (voice: the key was refused)"]


# transfer


def test_the_caller_is_handed_over_after_the_announcement() -> None:
    stage = Commanded([(1.0, Transfer("+31201234567", "I connect you now."))], hang_up_at=None)
    notes = stage.play()
    [(at, destination)] = notes.transfers
    assert destination == "+31201234567"
    assert at == pytest.approx(1.1 + len("I connect you now.") * 0.05, abs=0.06)
    assert notes.said == ["I connect you now."]
    assert [(ending.end_reason, ending.error) for ending in notes.endings] == [("transferred", None)]
    assert notes.ended_after == pytest.approx(at + 1.0, abs=0.03)


def test_after_a_failed_transfer_the_model_is_told_and_the_conversation_goes_on() -> None:
    stage = Commanded(
        [(1.0, Transfer("+31201234567")), (1.5, Say("Hm.", end_after=False))],
        Says(6.0, 7.0, "then book a table"),
        replies=["Nobody is there, sorry.", "It is booked."],
        hang_up_at=11,
    )
    stage.notes.transfer_refused = "nobody answered"
    notes = stage.play()
    assert stage.refused == [(1.5, "call_is_leaving")]
    assert notes.said == ["Nobody is there, sorry.", "It is booked."]
    assert "The transfer to +31201234567 failed: nobody answered." in stage.model.asked[0][-1].content
    assert notes.notes == ["a transfer failed: nobody answered"]
    assert notes.endings[0].end_reason == "user_hangup"


def test_what_the_caller_says_during_a_failing_transfer_is_answered() -> None:
    stage = Commanded([(1.0, Transfer("+31201234567"))], Says(1.1, 1.6, "hello anybody"), hang_up_at=8)
    stage.notes.transfer_refused = "nobody answered"
    notes = stage.play()
    assert notes.heard == ["hello anybody"]
    assert notes.said == ["All right."]
    assert stage.model.asked[-1][-1].content == "hello anybody"


def test_a_caller_who_hangs_up_during_a_transfer_has_hung_up() -> None:
    notes = Commanded([(1.0, Transfer("+31201234567"))], hang_up_at=1.5).play()
    assert [ending.end_reason for ending in notes.endings] == ["user_hangup"]


def test_a_line_that_cannot_transfer_refuses_and_nothing_is_said() -> None:
    stage = Commanded([(1.0, Transfer("+31201234567", "I connect you now."))], hang_up_at=4)
    stage.notes.can_transfer = False
    notes = stage.play()
    assert stage.refused == [(1.0, "transfer_not_possible")]
    assert notes.said == []


def transfer_tool(stage: Stage) -> None:
    destination = Destination("+31201234567", "sales", "I connect you now.")
    outcome = ToolOutcome("The caller is being transferred.", transfer_to=destination, spoken_first=destination.message)
    stage.tools.outcomes["transfer_call"] = outcome


def test_the_assistant_hands_the_caller_over_with_its_tool() -> None:
    call = ToolCall("t1", "transfer_call", '{"destination": "+31201234567"}')
    stage = Stage(Says(1.0, 2.0, "sales please"), replies=[["Of course.", call]], hang_up_at=None)
    transfer_tool(stage)
    notes = stage.play()
    assert notes.said == ["Of course. I connect you now."]
    assert [destination for _, destination in notes.transfers] == ["+31201234567"]
    assert notes.transfers[0][0] > spoken_at(notes, "I connect you now.") + 0.8
    assert notes.endings[0].end_reason == "transferred"


def test_a_tool_transfer_that_fails_is_told_to_the_model() -> None:
    call = ToolCall("t1", "transfer_call", '{"destination": "+31201234567"}')
    stage = Stage(Says(1.0, 2.0, "sales please"), replies=[["Of course.", call], "They are busy."], hang_up_at=10)
    transfer_tool(stage)
    stage.notes.transfer_refused = "the line is busy"
    notes = stage.play()
    assert notes.said == ["Of course. I connect you now.", "They are busy."]
    assert stage.model.asked[-1][-1].content.startswith("The transfer to +31201234567 failed: the line is busy.")


def test_a_caller_who_interrupts_the_announcement_stays() -> None:
    call = ToolCall("t1", "transfer_call", '{"destination": "+31201234567"}')
    stage = Stage(
        Says(1.0, 2.0, "sales please"),
        Says(3.2, 4.5, "no wait support please"),
        replies=[["Of course.", call], "Fine."],
    )
    transfer_tool(stage)
    notes = stage.play()
    assert notes.transfers == []
    assert notes.said[-1] == "Fine."
    [result] = [message.content for message in stage.model.asked[-1] if message.role == "tool"]
    assert result == NOT_DONE
    [shown] = [json.loads(text) for role, text in notes.messages if role == "tool"]
    assert shown["error"] == NOT_DONE


# When nothing can be asked any more


def test_after_the_end_no_command_is_taken() -> None:
    commands: list[tuple[float, Command]] = [
        (2.2, Say("Too late.", end_after=False)),
        (2.2, InjectContext("Too late.", True)),
        (2.3, EndCall("Too late.")),
        (2.3, Transfer("+31201234567")),
    ]
    stage = Commanded(commands, hang_up_at=2.0)
    notes = stage.play()
    assert [code for _, code in stage.refused] == ["call_not_in_progress"] * 4
    assert notes.said == []


def test_a_call_that_is_apologising_takes_no_command() -> None:
    stage = Commanded([(3.0, Say("Hello.", end_after=False))], Says(1.0, 2.0, "hello there"), hang_up_at=None)
    stage.model.replies = [ProviderError("model", "the key was refused", retryable=False)]
    notes = stage.play()
    assert [code for _, code in stage.refused] == ["call_not_in_progress"]
    assert notes.endings[0].end_reason == "error"


def test_commands_leave_nothing_behind() -> None:
    stage = Commanded(
        [(1.0, Say(NOTICE, end_after=False)), (1.0, InjectContext("It rains.", True)), (1.1, EndCall("Goodbye."))],
        hang_up_at=None,
    )
    stage.play()
    assert stage.freed_without_collector
